//! The group operations that proofs are made of, beside arkworks' own as a baseline:
//! `cargo bench -p zkml-core`.

use ark_ec::VariableBaseMSM;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zkml_core::field::dot;
use zkml_core::group::{Generators, Projective, ShortChallenge, compress, decompress};
use zkml_core::ipa::{Bases, prove, verify};
use zkml_core::msm::{fold, msm, msm_small};
use zkml_core::random::Random;
use zkml_core::transcript::HashTranscript;
use zkml_core::{F, labels};

fn scalars(count: usize) -> Vec<F> {
    let mut random = Random::new(labels::PROTOCOL, &[1; 32], &[]);
    (0..count).map(|_| random.scalar()).collect()
}

fn multi_scalar(criterion: &mut Criterion) {
    let generators = Generators::new(4096, 0);
    let mut group = criterion.benchmark_group("msm");
    for count in [256, 1024, 4096] {
        let (bases, scalars) = (&generators.columns[..count], scalars(count));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("ours", count), |b| b.iter(|| msm(bases, black_box(&scalars))));
        group.bench_function(BenchmarkId::new("arkworks", count), |b| {
            b.iter(|| Projective::msm_unchecked(bases, black_box(&scalars)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("row of bytes");
    for count in [256, 1024] {
        let bytes: Vec<u8> = (0..count as u64).map(|i| (i * 7_919 % 251) as u8).collect();
        let integers: Vec<i64> = bytes.iter().map(|byte| i64::from(*byte)).collect();
        let bases = &generators.columns[..count];
        let rows = vec![integers.as_slice(); 32];
        group.throughput(Throughput::Elements(32 * count as u64));
        group.bench_function(BenchmarkId::new("ours, 32 rows", count), |b| {
            b.iter(|| msm_small(bases, black_box(&rows)))
        });
        group.bench_function(BenchmarkId::new("arkworks, 32 rows", count), |b| {
            b.iter(|| {
                (0..32).map(|_| Projective::msm_u8(bases, black_box(&bytes))).collect::<Vec<Projective>>()
            });
        });
    }
    group.finish();

    let challenge = ShortChallenge { a: 0x0123_4567_89ab_cdef, b: 0xfedc_ba98_7654_3210 };
    criterion.bench_function("fold 512 pairs of generators", |b| {
        b.iter(|| fold(&generators.columns[..512], &generators.columns[512..1024], black_box(challenge)));
    });
    let bytes = compress(&generators.columns[0]);
    criterion.bench_function("decompress a point", |b| b.iter(|| decompress(black_box(&bytes))));
}

fn inner_product(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("inner product");
    for count in [512, 1500] {
        let generators = Generators::new(count, 0);
        let bases =
            Bases { generators: &generators.columns, value: generators.value, blind: generators.blind };
        let (a, b) = (scalars(count), scalars(count));
        let value = dot(&a, &b);
        let run = || {
            let mut random = Random::new(labels::PROTOCOL, &[2; 32], &[]);
            prove(&mut HashTranscript::new("bench"), &bases, a.clone(), F::from(5u64), b.clone(), &mut random)
        };
        group.bench_function(BenchmarkId::new("prove", count), |bencher| bencher.iter(run));
        if let Ok(proof) = run() {
            group.bench_function(BenchmarkId::new("reduce to the group equation", count), |bencher| {
                bencher.iter(|| verify(&mut HashTranscript::new("bench"), &b, value, black_box(&proof)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, multi_scalar, inner_product);
criterion_main!(benches);
