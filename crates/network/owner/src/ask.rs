//! Requests to the miners that serve a task; answers, checked and opened (whitepaper section
//! 3.3, step 9).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::pin::pin;
use std::time::Duration;

use codec::Encode as _;
use cyborg_account::{Address, Signing};
use cyborg_chain_client::runtime;
use cyborg_chain_client::runtime::proofs::Error as Refused;
use cyborg_chain_client::runtime::runtime_types::pallet_proofs::types::SignedReceipt;
use cyborg_chain_client::runtime::runtime_types::sp_runtime::MultiSignature;
use cyborg_chain_client::subxt::utils::{AccountId32, Static};
use cyborg_chain_client::verdict::{Ruling, Verdict};
use cyborg_chain_client::view::{self, Contact, TaskView, Terms};
use cyborg_chain_client::{AtBlock, ChainError};
use cyborg_primitives::money::Cyb;
use cyborg_primitives::signed::{Acknowledgement, Authorisation, Payload as _, Receipt};
use cyborg_primitives::task::{ProofPolicy, Role, TaskState};
use cyborg_primitives::window::WIDTH;
use cyborg_primitives::{Account, RequestNumber, TaskId};
use cyborg_protocol::wire::{Answer, Request, exchange};
use futures::future::{Either, select};
use zkml_graph::Graph;
use zkml_prover::system_randomness;
use zkml_verifier::{Opening, public_input_digest};

use crate::error::OwnerError;
use crate::miner::{Said, pause, post, url};
use crate::owner::Owner;
use crate::ports::{Carrier, Clock, Records};
use crate::records::RequestRecord;

/// Pause before a miner that is busy is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// Numbers tried in a row if other copies of the records have used them.
const MAX_NUMBERS: u32 = 16;

/// How an owner asks for an answer.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Only this miner.
    pub miner: Option<Account>,
    /// Most that is paid for the answer; without a cap the tariff.
    pub price_cap: Option<u128>,
    /// How long to wait for an answer, all miners together.
    pub patience: Duration,
}

/// An answer that was checked.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The miner that answered.
    pub miner: Account,
    /// Which request.
    pub number: RequestNumber,
    /// What the miner signed.
    pub receipt: Receipt,
    /// Its signature.
    pub signature: [u8; 64],
    /// One array of integers for each of the graph's outputs.
    pub outputs: Vec<Vec<i64>>,
    /// From sending the request to the sealed answer.
    pub latency: Duration,
    /// What an answer costs.
    pub price: u128,
    /// What its proof costs, if there is one.
    pub proof_price: u128,
    /// Which answers of the task are proven.
    pub policy: ProofPolicy,
    /// The last final block before the request was sent.
    pub block: u64,
    /// Requests that an earlier call had left unanswered, and that this miner has answered now.
    pub earlier: Vec<RequestNumber>,
}

/// What has become of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The chain has verified it.
    Verified {
        /// In which block.
        block: u64,
        /// What the miner got; `None` if the escrow could not pay.
        paid: Option<u128>,
    },
    /// The chain has verified a proof of another answer than the one that the miner signed.
    OtherAnswer {
        /// In which block.
        block: u64,
    },
    /// The miner is guilty.
    Punished {
        /// In which block.
        block: u64,
        /// Its fault, as the chain names it.
        fault: String,
        /// What its bond lost.
        slashed: u128,
    },
}

impl<R: Records, S: Signing, K: Clock> Owner<R, S, K> {
    /// Asks the miners that serve a task, one after another until one answers, and checks the answer.
    ///
    /// # Errors
    /// Returns an error if the task is over, the input does not fit, or nobody answers in time.
    pub async fn ask(
        &self,
        http: &impl Carrier,
        task: TaskId,
        inputs: &[Vec<i64>],
        asking: &Asking,
    ) -> Result<Answered, OwnerError> {
        let begun = self.clock.now();
        let record = self.records.task(task).await?;
        let verifier = self.records.verifier(&record.key).await?;
        let graph = verifier.graph();
        // What does not fit is found before anything is signed.
        public_input_digest(graph, inputs)?;
        let mut last = "nobody serves it yet".to_owned();
        // What was signed for a miner is sent to it again, as long as it is not answered: a number that
        // nobody answers would keep all later ones from being paid.
        let mut signed: Signed<R> = BTreeMap::new();
        let mut earlier: BTreeMap<Account, Vec<RequestNumber>> = BTreeMap::new();
        loop {
            let at = self.chain.at_finalised().await?;
            let view = self.task(&at, task).await?;
            if view.state == TaskState::Stopped {
                return Err(OwnerError::Stopped(task));
            }
            // A request that no miner would take is not signed: its number would stay unanswered for ever.
            if !view.signers().contains(&self.account()) {
                let (owner, asked) = (Address(view.owner), Address(self.account()));
                return Err(OwnerError::NotOwner { task, owner, asked });
            }
            if let Some(miner) = asking.miner
                && view.assignment(&miner).is_none()
            {
                return Err(OwnerError::NotAssigned { task, miner: Address(miner) });
            }
            // A miner that has taken over may need a key.
            if view.owner == self.account() && view.assignments.iter().any(view::Assignment::is_keyless) {
                self.wrap_keys(task).await?;
            }
            let (mut never, mut others) = (None, false);
            for miner in serving(&view, asking.miner) {
                let left = asking.patience.saturating_sub(self.since(begun));
                if left.is_zero() {
                    break;
                }
                if let Entry::Vacant(first) = earlier.entry(miner) {
                    first.insert(self.ask_again(http, task, &miner).await?);
                }
                let policy = view.policy;
                let question = Question { task, miner, policy, graph, key: record.key, inputs, asking };
                match self.ask_one(http, &at, &question, &mut signed, left).await? {
                    Ok(mut answered) => {
                        answered.earlier = earlier.remove(&miner).unwrap_or_default();
                        return Ok(answered);
                    }
                    Err(Pass::Never(error)) => {
                        last = error.to_string();
                        never.get_or_insert(error);
                        continue;
                    }
                    Err(Pass::Later(reason)) => last = format!("{}: {reason}", Address(miner)),
                }
                others = true;
            }
            if let (Some(error), false) = (never, others) {
                return Err(error);
            }
            if self.since(begun) >= asking.patience {
                return Err(OwnerError::NoAnswer { task, seconds: self.since(begun).as_secs(), last });
            }
            self.clock.sleep(pause(PAUSE)).await;
        }
    }

    /// Asks one miner; the inner error says why another should be asked.
    async fn ask_one(
        &self,
        http: &impl Carrier,
        at: &AtBlock,
        question: &Question<'_>,
        signed: &mut Signed<R>,
        patience: Duration,
    ) -> Result<Result<Answered, Pass>, OwnerError> {
        let Question { task, miner, policy, graph, key, inputs, asking } = *question;
        let Some(contact) = view::contact(at, &miner).await? else {
            return Ok(Err(Pass::Later("it is registered no more".to_owned())));
        };
        let Some(terms) = view::terms(at, task, &miner).await? else {
            return Ok(Err(Pass::Later("it has no tariff".to_owned())));
        };
        let price_cap = asking.price_cap.unwrap_or(terms.per_request);
        if price_cap < terms.per_request && !signed.contains_key(&miner) {
            let (price, cap) = (Cyb(terms.per_request), Cyb(price_cap));
            return Ok(Err(Pass::Never(OwnerError::PriceCap { miner: Address(miner), price, cap })));
        }
        if !can_pay(&terms, policy) && !signed.contains_key(&miner) {
            return Ok(Err(Pass::Never(OwnerError::Exhausted {
                task,
                for_answers: Cyb(terms.compute_left),
                for_proofs: Cyb(terms.proofs_left),
                answer: Cyb(terms.per_request),
                proof: Cyb(terms.per_proof),
            })));
        }
        let begun = self.clock.now();
        let through = terms.settled.through();
        let mut settled = through;
        for _ in 0..MAX_NUMBERS {
            let record = match signed.get(&miner) {
                Some((record, _)) => record.clone(),
                None => {
                    let made = self
                        .records
                        .next_request(task, &miner, settled, |number| {
                            // A miner refuses what is further ahead, and the number would be lost.
                            if policy == ProofPolicy::Every && number > through.saturating_add(WIDTH) {
                                return Err(OwnerError::WindowFull { miner: Address(miner), through });
                            }
                            let opening = Opening::of_inputs(graph, key, inputs, &*system_randomness()?)?;
                            let input = opening.input_digest(graph)?;
                            let authorisation = Authorisation { task, miner, number, input, price_cap };
                            let signature = self.signer.sign(&authorisation.payload(&self.genesis()));
                            Ok(RequestRecord {
                                authorisation,
                                signature,
                                opening: opening.to_bytes().to_vec(),
                            })
                        })
                        .await;
                    match made {
                        Ok((record, guard)) => {
                            signed.insert(miner, (record.clone(), guard));
                            record
                        }
                        Err(error @ OwnerError::WindowFull { .. }) => {
                            return Ok(Err(Pass::Later(error.to_string())));
                        }
                        Err(error) => return Err(error),
                    }
                }
            };
            let left = patience.saturating_sub(self.since(begun));
            match self.send(http, &contact, graph, &record, left).await? {
                Sent::Answered(Opened { receipt, signature, outputs, latency }) => {
                    return Ok(Ok(Answered {
                        miner,
                        number: receipt.number,
                        receipt,
                        signature,
                        outputs,
                        latency,
                        price: terms.per_request,
                        proof_price: terms.per_proof,
                        policy,
                        block: at.block_number(),
                        earlier: Vec::new(),
                    }));
                }
                // Another copy of the records was used for this task: the numbers go on from there.
                Sent::Used => {
                    settled = record.authorisation.number;
                    signed.remove(&miner);
                }
                Sent::Elsewhere(reason) => return Ok(Err(Pass::Later(reason))),
            }
        }
        Ok(Err(Pass::Later(format!("{MAX_NUMBERS} numbers in a row are used"))))
    }

    /// Sends a signed request until it is answered, or somebody else is to be asked.
    async fn send(
        &self,
        http: &impl Carrier,
        contact: &Contact,
        graph: &Graph,
        record: &RequestRecord,
        patience: Duration,
    ) -> Result<Sent, OwnerError> {
        let authorisation = record.authorisation;
        let Authorisation { task, miner, number, .. } = authorisation;
        let url = url(contact, Address(miner), &format!("/v1/tasks/{task}/requests/{number}"))?;
        let invalid = |source| OwnerError::invalid(&authorisation, source);
        let opening = Opening::from_bytes(&record.opening).map_err(|source| invalid(source.into()))?;
        let request = Request { authorisation, signature: record.signature, opening };
        let sealed = request.seal(self.genesis(), &contact.hpke).map_err(invalid)?;
        let begun = self.clock.now();
        loop {
            let left = patience.saturating_sub(self.since(begun)).max(PAUSE);
            let sent = self.clock.now();
            let (reason, after) = match post(http, url.clone(), sealed.clone(), left).await {
                Said::Done(bytes) => {
                    let latency = self.since(sent);
                    // The receipt is evidence, whatever the answer is worth.
                    let answer =
                        Answer::from_bytes(&bytes, &self.genesis(), &authorisation).map_err(invalid)?;
                    self.records.put_answer(task, &miner, number, &bytes).await?;
                    let outputs = self.open(graph, &authorisation, &answer).await?;
                    return Ok(Sent::Answered(Opened {
                        receipt: answer.receipt,
                        signature: answer.signature,
                        outputs,
                        latency,
                    }));
                }
                Said::Used => return Ok(Sent::Used),
                Said::Later { reason, after: None } => return Ok(Sent::Elsewhere(reason)),
                Said::Later { reason, after: Some(after) } => (reason, after),
                Said::No { status, message } => {
                    return Err(OwnerError::Refused { miner: Address(miner), number, status, message });
                }
            };
            let left = patience.saturating_sub(self.since(begun));
            if left.is_zero() {
                return Ok(Sent::Elsewhere(reason));
            }
            self.clock.sleep(pause(after).min(left.max(PAUSE))).await;
        }
    }

    /// The outputs of an answer, which must be those that its receipt names.
    pub(crate) async fn open(
        &self,
        graph: &Graph,
        authorisation: &Authorisation,
        answer: &Answer,
    ) -> Result<Vec<Vec<i64>>, OwnerError> {
        let Authorisation { task, miner, number, .. } = *authorisation;
        let opened = answer
            .open(&exchange(self.genesis(), authorisation), &self.result_key(task).await?)
            .map_err(|source| OwnerError::invalid(authorisation, source))?;
        if opened.output_digest(graph).ok() != Some(answer.receipt.output) {
            return Err(OwnerError::OtherOutput { miner: Address(miner), number });
        }
        let outputs = opened.tensors.iter().skip(graph.inputs.len()).flatten();
        Ok(outputs.map(|(values, _)| values.clone()).collect())
    }

    /// Sends once more what was signed for a miner and never answered: a sampled period has no gaps,
    /// and an acknowledgement reaches no further than the first one. Returns those that are answered now.
    ///
    /// # Errors
    /// Returns an error if the records or the chain cannot be read.
    pub async fn ask_again(
        &self,
        http: &impl Carrier,
        task: TaskId,
        miner: &Account,
    ) -> Result<Vec<RequestNumber>, OwnerError> {
        let at = self.chain.at_finalised().await?;
        let (Some(contact), Some(terms)) =
            (view::contact(&at, miner).await?, view::terms(&at, task, miner).await?)
        else {
            return Ok(Vec::new());
        };
        let key = self.records.task(task).await?.key;
        let verifier = self.records.verifier(&key).await?;
        let mut answered = Vec::new();
        for number in self.records.unanswered(task, miner, terms.settled.through()).await? {
            let Some((record, _guard)) = self.records.claim(task, miner, number).await? else { continue };
            match self.send(http, &contact, verifier.graph(), &record, PAUSE).await {
                Ok(Sent::Answered(_)) => answered.push(number),
                Ok(Sent::Used) => {}
                // It is busy, or away.
                Ok(Sent::Elsewhere(_)) => break,
                Err(error @ OwnerError::Records { .. }) => return Err(error),
                Err(error) => tracing::warn!(task, number, %error, "an earlier request stays unanswered"),
            }
        }
        Ok(answered)
    }

    /// Tells a miner that all its requests are answered, under the policy in which that pays it. Returns the
    /// last number that is acknowledged.
    ///
    /// # Errors
    /// Returns an error if the records or the chain cannot be read, or the miner does not take it.
    pub async fn acknowledge(
        &self,
        http: &impl Carrier,
        task: TaskId,
        miner: &Account,
    ) -> Result<RequestNumber, OwnerError> {
        let at = self.chain.at_finalised().await?;
        let (Some(contact), Some(terms)) =
            (view::contact(&at, miner).await?, view::terms(&at, task, miner).await?)
        else {
            return Ok(0);
        };
        let settled = terms.settled.through();
        let through = self.records.answered_through(task, miner, settled).await?;
        if through == settled {
            return Ok(through);
        }
        let word = Acknowledgement { task, miner: *miner, through };
        let mut body = word.encode();
        body.extend(self.signer.sign(&word.payload(&self.genesis())));
        let url = url(&contact, Address(*miner), &format!("/v1/tasks/{task}/acknowledgements"))?;
        match post(http, url, body, PAUSE * 50).await {
            Said::Done(_) => Ok(through),
            Said::Used => Ok(settled),
            Said::Later { reason, .. } => Err(OwnerError::Refused {
                miner: Address(*miner),
                number: through,
                status: 503,
                message: reason,
            }),
            Said::No { status, message } => {
                Err(OwnerError::Refused { miner: Address(*miner), number: through, status, message })
            }
        }
    }

    /// Demands the proof of an answer as its receipt names it: a miner that cannot prove what it signed
    /// loses its bond.
    ///
    /// # Errors
    /// Returns an error if the chain refuses.
    pub async fn demand(&self, answered: &Answered) -> Result<(), OwnerError> {
        let receipt = SignedReceipt {
            receipt: Static(answered.receipt),
            signature: MultiSignature::Sr25519(answered.signature),
        };
        let (task, miner) = (answered.receipt.task, AccountId32(answered.miner));
        let call = runtime::transactions().proofs().demand(task, miner, receipt);
        match self.submit_patiently(&call).await {
            Ok(_) => Ok(()),
            Err(error) => match error.by_pallet() {
                // Another demand is under way, or the proof is on chain.
                Some(runtime::Error::Proofs(Refused::AlreadyDemanded | Refused::Final)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }

    /// Waits until the chain has judged the proof of an answer; `None` if it has not in time.
    ///
    /// # Errors
    /// Returns an error if the chain cannot be asked.
    pub async fn verdict(
        &self,
        answered: &Answered,
        patience: Duration,
    ) -> Result<Option<Outcome>, OwnerError> {
        let mut follow = self.chain.follow(Some(answered.block)).await?;
        let waiting = async {
            loop {
                let block = follow.next().await?;
                if let Some(outcome) = judged(&block, answered).await? {
                    return Ok(outcome);
                }
            }
        };
        match select(pin!(waiting), pin!(self.clock.sleep(patience))).await {
            Either::Left((outcome, _)) => outcome.map(Some),
            Either::Right(_) => Ok(None),
        }
    }
}

/// The requests that are being sent, by miner; while the guards are held no other program sends them.
type Signed<R> = BTreeMap<Account, (RequestRecord, <R as Records>::Guard)>;

/// A request, and the miner that it is for.
struct Question<'a> {
    task: TaskId,
    miner: Account,
    policy: ProofPolicy,
    graph: &'a Graph,
    key: [u8; 32],
    inputs: &'a [Vec<i64>],
    asking: &'a Asking,
}

/// An answer that was checked and opened.
struct Opened {
    receipt: Receipt,
    signature: [u8; 64],
    outputs: Vec<Vec<i64>>,
    latency: Duration,
}

/// Why another miner is asked.
enum Pass {
    /// This one does not answer now.
    Later(String),
    /// It would refuse, however often it is asked: it costs more than the cap, or than there is.
    Never(OwnerError),
}

/// The outcome of a request.
enum Sent {
    Answered(Opened),
    Used,
    Elsewhere(String),
}

/// The miners to ask, in order: replicas first, then standbys that serve. Owners that run the same program
/// at once begin with different ones.
fn serving(view: &TaskView, only: Option<Account>) -> Vec<Account> {
    let of = |role: Role| {
        let parts = view.assignments.iter().filter(move |part| part.role == role && part.serves());
        parts.map(|part| part.miner).collect::<Vec<_>>()
    };
    let mut replicas = of(Role::Replica);
    let mut byte = [0];
    // Without randomness the first is always asked first.
    if getrandom::fill(&mut byte).is_ok() && !replicas.is_empty() {
        let first = usize::from(byte[0]) % replicas.len();
        replicas.rotate_left(first);
    }
    replicas.extend(of(Role::Standby));
    replicas.retain(|miner| only.is_none_or(|only| only == *miner));
    replicas
}

/// Whether a task's money is enough for one more answer, and for its proof if every answer is proven.
fn can_pay(terms: &Terms, policy: ProofPolicy) -> bool {
    terms.compute_left >= terms.per_request
        && (policy != ProofPolicy::Every || terms.proofs_left >= terms.per_proof)
}

/// What a block says of the proof of an answer.
async fn judged(block: &AtBlock, answered: &Answered) -> Result<Option<Outcome>, ChainError> {
    let Receipt { task, input, output, .. } = answered.receipt;
    let number = block.block_number();
    for verdict in Verdict::all(block).await? {
        if (verdict.task, verdict.miner, verdict.number) != (task, answered.miner, answered.number) {
            continue;
        }
        match verdict.ruling {
            Ruling::Verified { input: proven, output: of, paid } => {
                // The chain says what is proven; the owner checks that it is what the miner signed.
                let same = (proven, of) == (input, output);
                return Ok(Some(match same {
                    true => Outcome::Verified { block: number, paid },
                    false => Outcome::OtherAnswer { block: number },
                }));
            }
            Ruling::Punished { fault, slashed } => {
                return Ok(Some(Outcome::Punished { block: number, fault: format!("{fault:?}"), slashed }));
            }
            Ruling::Refused { .. } => {}
        }
    }
    Ok(None)
}
