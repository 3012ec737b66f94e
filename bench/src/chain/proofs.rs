//! Blocks full of proofs: how many the charged weight lets in, and how long the node's wasm executor takes
//! for what was charged.
//!
//! Three kinds of blocks for each model: proofs one by one; true ones in batches, whose unused weight comes back
//! and lets more in; and batches with a false proof in each, where every proof is checked alone. A false
//! proof is a true one of another request: everything is reduced and summed before it fails. A miner sends
//! two such batches at most: with the second it is suspended, and a third would be refused unread.

use std::fmt;

use anyhow::{Context, Result, anyhow, ensure};
use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::subxt::utils::Static;
use cyborg_primitives::money::UNIT;
use cyborg_primitives::signed::{Authorisation, Payload, ProofContext};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{RequestNumber, TaskId};
use runtime_types::bounded_collections::bounded_vec::BoundedVec;
use runtime_types::pallet_proofs::types::Submission;
use serde::Serialize;
use zkml_core::transcript::HashTranscript;
use zkml_prover::{Request, prove_opened, system_randomness};
use zkml_testkit::case::{Case, dense};
use zkml_testkit::data::digits;
use zkml_verifier::{Opening, PROTOCOL, Visibility};

use super::market::{Deployed, MAX_REPLICAS, Market, Spec, Wanted, spec};

/// What users' transactions may take of a block, in picoseconds.
const USABLE_PS: u64 = 1_500_000_000_000;
/// More than can be paid for one request.
const CAP: u128 = UNIT;
/// Blocks of each kind.
const BLOCKS: usize = 3;
/// The dense model of four million parameters.
const DENSE: [u32; 6] = [784, 1024, 1024, 1024, 1024, 10];

/// How proofs are submitted.
#[derive(Clone, Copy, Serialize)]
pub(crate) enum Form {
    /// One proof in a call.
    Singly,
    /// So many proofs in a call, all true.
    Batched(usize),
    /// So many proofs in a call, one of them false.
    OneFalse(usize),
}

/// A block full of proofs: the one that took the median time.
#[derive(Serialize)]
pub(crate) struct Full {
    pub(crate) model: &'static str,
    pub(crate) form: Form,
    /// Its number.
    pub(crate) block: u64,
    /// Proofs that were verified or found false.
    pub(crate) proofs: usize,
    /// What the block was charged for, all classes together.
    pub(crate) charged_ms: f64,
    /// What executing it in wasm took, as it was built.
    pub(crate) built_ms: u64,
    /// What sealing it took, until it was final and on the disk.
    pub(crate) sealed_ms: u64,
    /// What executing it once more took, as a node does that imports it; measured when the node has ended.
    pub(crate) executed_again_ms: f64,
}

/// Fills blocks with proofs of each model.
///
/// # Errors
/// Returns an error if the chain refuses something, or a block is not what it should be.
pub(crate) async fn measure(market: &mut Market) -> Result<Vec<Full>> {
    let error = |error: Box<dyn std::error::Error + Send + Sync>| anyhow!("{error}");
    let mut rows = Vec::new();
    // Batches as large as the worst that is charged before lets many of them in.
    for (name, batch) in [("digits_mlp", 10), ("digits_cnn", 7), ("dense_4m", 2)] {
        eprintln!("{name}: keys ...");
        let case: Case = if name == "dense_4m" { dense(&DENSE, 1) } else { digits(name) }.map_err(error)?;
        let model = market.deploy(case).await?;
        let terms = spec(model.id, ProofPolicy::Every, MAX_REPLICAS, Wanted::Near(0));
        let engaged = market.submit([Spec { max_proofs: 1_000, proof_cap: CAP, ..terms }]).await?;
        market.start(&engaged, &model).await?;
        let task = engaged.first().context("nobody was engaged")?.0;
        let miners: Vec<usize> = engaged.iter().map(|(_, miner)| *miner).collect();
        let (honest, others) = miners.split_at(2);
        let forms = [
            (Form::Singly, &honest[..1]),
            (Form::Batched(batch), &honest[1..]),
            (Form::OneFalse(batch), others),
        ];
        for (form, miners) in forms {
            eprintln!("{name}: proofs for blocks with them {form} ...");
            rows.push(fill(market, &model, (name, task), form, miners).await?);
        }
    }
    Ok(rows)
}

/// Makes more proofs than fit some blocks, and lets the node fill these with them. Calls come from the
/// miners in turn.
async fn fill(
    market: &mut Market,
    model: &Deployed,
    (name, task): (&'static str, TaskId),
    form: Form,
    miners: &[usize],
) -> Result<Full> {
    let batch = form.batch();
    let claim = (1..batch).fold(model.cost, |sum, _| sum.with(model.cost));
    let mut transactions = Vec::new();
    for call in 0..calls(market, form, claim).await? {
        let miner = miners[call % miners.len()];
        let first = call / miners.len() * batch + 1;
        let mut submissions = Vec::new();
        for index in 0..batch {
            let is_false = matches!(form, Form::OneFalse(_)) && index == 0;
            submissions.push(answer(market, model, task, miner, u64::try_from(first + index)?, is_false)?);
        }
        let submit = runtime::transactions().proofs().submit(Static(claim), BoundedVec(submissions));
        transactions.push(market.miners[miner].transaction(&market.session.at, submit)?);
    }
    let session = &market.session;
    let mut left = transactions.len();
    session.send_all(transactions).await?;
    let mut full = Vec::new();
    while left > 0 {
        let block = session.seal().await?;
        session.check(block.number).await?;
        ensure!(block.transactions > 0, "{name}, {form}: {left} calls are in no block");
        left = left.saturating_sub(block.transactions);
        if left == 0 {
            break;
        }
        let verified = session.events::<runtime::proofs::events::Verified>(block.number).await?.len();
        let punished = session.events::<runtime::proofs::events::Punished>(block.number).await?.len();
        let logged = session.node.logged(block.number)?;
        full.push(Full {
            model: name,
            form,
            block: block.number,
            proofs: verified + punished,
            charged_ms: session.charged(block.number).await?.all_ps as f64 / 1e9,
            built_ms: logged.built_ms,
            sealed_ms: logged.sealed_ms,
            executed_again_ms: 0.0,
        });
    }
    full.sort_by_key(|full| full.built_ms);
    let median = full.len() / 2;
    full.into_iter().nth(median).with_context(|| format!("{name}, {form}: no block was full"))
}

impl Form {
    fn batch(self) -> usize {
        match self {
            Self::Singly => 1,
            Self::Batched(batch) | Self::OneFalse(batch) => batch,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Singly => write!(f, "one by one"),
            Self::Batched(batch) => write!(f, "batches of {batch}"),
            Self::OneFalse(batch) => write!(f, "batches of {batch}, one false in each"),
        }
    }
}

/// More calls than fit the blocks, by the weights that the chain itself says.
async fn calls(market: &Market, form: Form, claim: Cost) -> Result<usize> {
    let proofs = u32::try_from(form.batch())?;
    let call = runtime::runtime_apis().cyborg_api().verification_weight(Static(claim), proofs);
    let (worst, of_true) = market.session.at.runtime_apis().call(call).await?;
    let each = if matches!(form, Form::OneFalse(_)) { worst } else { of_true };
    Ok(BLOCKS * usize::try_from(USABLE_PS / each.ref_time.max(1))? + 1)
}

/// A proven answer; a false one is the proof of another request.
fn answer(
    market: &Market,
    model: &Deployed,
    task: TaskId,
    miner: usize,
    number: RequestNumber,
    is_false: bool,
) -> Result<Submission> {
    let genesis = market.session.chain.genesis();
    let miner = market.miners[miner].account();
    let entropy = system_randomness()?;
    let opening = Opening::of_inputs(model.key.graph(), model.key.digest(), &model.inputs, &entropy)?;
    let input = opening.input_digest(model.key.graph())?;
    let authorisation = Authorisation { task, miner, number, input, price_cap: CAP };
    let signature = market.owner.sign(&authorisation.payload(&genesis));
    let proven = if is_false { number + 1_000 } else { number };
    let context = ProofContext { task, miner, model: model.id, number: proven }.payload(&genesis);
    let request = Request {
        inputs: &model.inputs,
        context: &context,
        input: Visibility::Committed,
        output: Visibility::Committed,
    };
    let proved = prove_opened(&model.key, &request, &opening, &mut HashTranscript::new(PROTOCOL))?;
    Ok(cyborg_localnet::market::submission(authorisation, signature, proved.proof))
}
