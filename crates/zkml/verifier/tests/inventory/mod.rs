//! An inventory of the transcript: what it absorbs and which challenges it gives, label by label and
//! in order, for models that together have every kind of node. The committed files are generated;
//! a change of the protocol shows in them, and only an intended one may.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use zkml_core::F;
use zkml_core::msm::Native;
use zkml_core::transcript::HashTranscript;
use zkml_graph::{Op, Source, Weight};
use zkml_prover::{Request, prove_live};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::Maker;
use zkml_testkit::models;
use zkml_testkit::recorder::{Event, Known, Recorder};
use zkml_verifier::circuit::Circuit;
use zkml_verifier::proof::Body;
use zkml_verifier::protocol::{Party, ProtocolError, Stage, run};
use zkml_verifier::{PROTOCOL, Proof, Shown, Visibility, equation, key_transcript};

/// Set to write the files instead of comparing with them.
const WRITE: &str = "ZKML_WRITE_INVENTORY";

const WHAT_TO_DO: &str = "the transcript is not what the inventory says. If nothing was meant to change, \
    a party absorbs or draws something else than before: that breaks old proofs, and possibly soundness. \
    If the change is meant: give PROTOCOL (or the key's protocol) a new version, describe it in \
    docs/protocol.md, and write the files anew with \
    ZKML_WRITE_INVENTORY=1 cargo test --release -p zkml-verifier --test protocol inventory";

/// Makes a model from a seed.
type Make = fn(u64) -> Maker;

/// Models that together have everything that a graph can be made of.
const MODELS: [(&str, Make); 7] = [
    ("dense", models::dense),
    ("max_pool", models::max_pool),
    ("layout", models::layout),
    ("arg_max", models::arg_max),
    ("attention", models::attention),
    ("normalize", models::normalize),
    ("relu_bits", models::relu_bits),
];

/// Most lines in a block that [`lines`] counts instead of repeating.
const LONGEST_BLOCK: usize = 8;

/// The events, one a line, where a block of lines that repeats is written once with its count.
fn lines(events: &[Event]) -> String {
    let line = |event: &Event| match event {
        Event::Absorbed(label, bytes) => format!("absorb {label}, {} bytes", bytes.len()),
        Event::Challenge(label, _) => format!("draw   {label}"),
    };
    let lines: Vec<String> = events.iter().map(line).collect();
    let mut rest = &lines[..];
    let mut text = String::new();
    while !rest.is_empty() {
        let repeats = |len: &usize| {
            let block = &rest[..*len];
            rest.chunks(*len).take_while(|other| *other == block).count()
        };
        let longest = LONGEST_BLOCK.min(rest.len());
        // The block that covers most; of equals the shortest.
        let covered = |len: &usize| (repeats(len) > 1).then(|| repeats(len) * len);
        let len = (1..=longest).rev().max_by_key(|len| covered(len)).filter(|len| repeats(len) > 1);
        let len = len.unwrap_or(1);
        let times = repeats(&len);
        if times > 1 {
            writeln!(text, "{times} times").unwrap();
        }
        for line in &rest[..len] {
            let indent = if times > 1 { "    " } else { "" };
            writeln!(text, "{indent}{line}").unwrap();
        }
        rest = &rest[times * len..];
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the messages of a proof.
struct Messages<'a> {
    hidden: std::slice::Iter<'a, F>,
    revealed: [F; 2],
}

impl Party for Messages<'_> {
    fn begin(&mut self, _: Stage<'_>) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn answer(&mut self, _: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError> {
        out.fill_with(|| *self.hidden.next().unwrap());
        Ok(())
    }

    fn private(&mut self) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn reveal(&mut self, _: &F) -> Result<[F; 2], ProtocolError> {
        Ok(self.revealed)
    }
}

/// How many constraints a proof, or a key's proof about itself, must meet: one that is dropped is
/// missing here.
fn constraints(circuit: &Circuit, weight_bits: u8, statement: &[Shown], body: &Body) -> String {
    let mut messages = Messages { hidden: body.hidden.iter(), revealed: body.revealed };
    let ledger = run(circuit, weight_bits, statement, &mut messages, &mut Known::new(1)).unwrap().ledger;
    assert!(messages.hidden.next().is_none());
    let (zeros, products) = (ledger.zero.len(), ledger.products.len());
    format!("meets  {zeros} linear constraints and {products} products\n")
}

/// What prover and verifier absorb and draw for one proof, which is the same, byte for byte.
fn proof(liar: &Liar, shown: Visibility) -> String {
    let request = Request { inputs: &liar.inputs, context: b"inventory", input: shown, output: shown };
    let mut proving = Recorder::default();
    let bytes = prove_live(&liar.keys.prover, &request, &mut proving).unwrap().proof;
    let proof = Proof::from_bytes(&liar.maker.graph, liar.circuit(), &bytes).unwrap();
    let mut verifying = Recorder::default();
    let equation = equation(&liar.keys.verifier, &proof, b"inventory", &mut verifying).unwrap();
    assert!(equation.holds(&Native));
    assert_eq!(proving.events, verifying.events);
    let weight_bits = liar.maker.graph.weight_bits;
    lines(&verifying.events)
        + &constraints(liar.circuit(), weight_bits, &proof.statement.tensors, &proof.body)
}

fn key(liar: &Liar) -> String {
    let key = &liar.keys.verifier;
    let mut checking = Recorder::of(key_transcript(&key.digest()));
    assert!(key.equation(&mut checking).unwrap().holds(&Native));
    let weight_bits = liar.maker.graph.weight_bits;
    let circuit = Circuit::for_key(key.circuit(), weight_bits);
    lines(&checking.events) + &constraints(&circuit, weight_bits, &[], key.proof())
}

fn inventory(make: fn(u64) -> Maker) -> String {
    let liar = Liar::new(make(1));
    let start = |transcript: &HashTranscript| hex(&transcript.digest());
    let committed = proof(&liar, Visibility::Committed);
    let public = proof(&liar, Visibility::Public);
    let (key_start, proof_start) = (start(&key_transcript(&[0; 32])), start(&HashTranscript::new(PROTOCOL)));
    format!(
        "# A key's proof about itself; digest of the transcript that begins for the key digest zero\n\
         start  {key_start}\n{}\n\
         # A proof of committed inputs and outputs, by prover and verifier\n\
         start  {proof_start}\n{committed}\n\
         # A proof of public inputs and outputs, by prover and verifier\n\
         start  {proof_start}\n{public}",
        key(&liar),
    )
}

#[test]
fn the_transcript_is_what_the_inventory_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory");
    for (name, make) in MODELS {
        let path = folder.join(format!("{name}.txt"));
        let found = inventory(make);
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&path, &found).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        let mut pairs = expected.lines().zip(found.lines());
        let differs = pairs.position(|(expected, found)| expected != found);
        let line = differs.unwrap_or(expected.lines().count().min(found.lines().count())) + 1;
        assert!(expected == found, "{name}.txt, line {line}: {WHAT_TO_DO}");
    }
}

/// The kinds that a node has; a new kind does not compile here until it has a name.
fn kinds(op: &Op) -> Vec<&'static str> {
    let epilogue = |epilogue: &zkml_graph::Epilogue| match epilogue {
        zkml_graph::Epilogue::Exact => "exact",
        zkml_graph::Epilogue::Requant { .. } => "requant",
        zkml_graph::Epilogue::ReluBits { .. } => "relu by bits",
    };
    let source = |source: &Source| match source {
        Source::Tensor { weight: Weight::Param { .. }, .. } => "hidden weight",
        Source::Tensor { weight: Weight::Public(_), .. } => "public weight",
        Source::Bias { .. } => "bias",
        Source::Reshape { .. } => "reshape",
        Source::Constant(_) => "constant",
        Source::Index { .. } => "index",
    };
    match op {
        Op::Affine { terms, epilogue: last } => {
            terms.iter().map(|term| source(&term.source)).chain([epilogue(last)]).collect()
        }
        Op::Max { .. } => vec!["maximum"],
        Op::Product { epilogue: last, .. } => vec!["product", epilogue(last)],
        Op::Normalize { .. } => vec!["normalize"],
    }
}

#[test]
fn the_inventory_has_every_kind_of_node() {
    let graphs = MODELS.map(|(_, make)| make(1).graph);
    let nodes = graphs.iter().flat_map(|graph| &graph.nodes);
    let found: BTreeSet<&str> = nodes.flat_map(|node| kinds(&node.op)).collect();
    let all = [
        "bias",
        "constant",
        "exact",
        "hidden weight",
        "index",
        "maximum",
        "normalize",
        "product",
        "public weight",
        "relu by bits",
        "requant",
        "reshape",
    ];
    assert_eq!(found, BTreeSet::from(all));
}
