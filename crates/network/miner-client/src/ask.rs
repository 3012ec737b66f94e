//! Requests and answers: asked of whoever serves the task, checked, and opened (whitepaper section
//! 3.3, step 9).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use codec::Encode as _;
use cyborg_chain_client::runtime;
use cyborg_chain_client::runtime::runtime_types::pallet_proofs::types::SignedReceipt;
use cyborg_chain_client::runtime::runtime_types::sp_runtime::MultiSignature;
use cyborg_chain_client::subxt::utils::{AccountId32, Static};
use cyborg_chain_client::{AtBlock, ChainError};
use cyborg_primitives::signed::{Acknowledgement, Authorisation, Payload as _, Receipt};
use cyborg_primitives::task::{ProofPolicy, Role, TaskState};
use cyborg_primitives::{Account, RequestNumber, TaskId};
use tokio::time::{Instant, sleep, timeout};
use zkml_graph::Graph;
use zkml_prover::system_randomness;
use zkml_verifier::{Opening, public_input_digest};

use crate::book::RequestRecord;
use crate::error::{OwnerError, address};
use crate::http::{Http, Said, url};
use crate::market::{self, Contact, TaskView};
use crate::owner::Owner;
use crate::wire::{Answer, Request, WireError, exchange};

/// Pause before a miner that is busy is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// How often another number is taken where one was used by another copy of the book.
const MAX_NUMBERS: u32 = 16;

/// How an owner asks.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Only this miner.
    pub miner: Option<Account>,
    /// Most that is paid for the answer; the tariff where there is none.
    pub price_cap: Option<u128>,
    /// How long an answer is waited for, all miners together.
    pub patience: Duration,
}

/// An answer that was checked.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Who.
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
    /// Which answers of the task are proven.
    pub policy: ProofPolicy,
    /// The last final block before the request was sent.
    pub block: u64,
}

/// What has become of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The chain has verified it.
    Verified {
        /// In which block.
        block: u64,
        /// What the miner got; `None` where the escrow could not pay.
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
        /// Of what, as the chain names it.
        fault: String,
        /// What its bond lost.
        slashed: u128,
    },
}

impl Owner {
    /// Asks whoever serves a task, one after another until somebody answers, and checks the answer.
    ///
    /// # Errors
    /// Where the task is over, the input does not fit, or nobody answers in time.
    pub async fn ask(
        &self,
        http: &Http,
        task: TaskId,
        inputs: &[Vec<i64>],
        asking: &Asking,
    ) -> Result<Answered, OwnerError> {
        let begun = Instant::now();
        let record = self.book.task(task)?;
        let verifier = self.book.verifier(&record.key)?;
        let graph = verifier.graph();
        // What does not fit is found before anything is signed.
        public_input_digest(graph, inputs)?;
        let mut last = "nobody serves it yet".to_owned();
        // What was signed for a miner is sent to it again, as long as it is not answered: a number that
        // nobody answers would keep all later ones from being paid.
        let mut signed: BTreeMap<Account, RequestRecord> = BTreeMap::new();
        let mut seen: BTreeSet<Account> = BTreeSet::new();
        loop {
            let at = self.chain.at_finalised().await?;
            let view = self.task(&at, task).await?;
            if view.state == TaskState::Stopped {
                return Err(OwnerError::Stopped(task));
            }
            // Whoever has taken over may need a key.
            if view.owner == self.account() && view.parts.iter().any(market::Part::is_keyless) {
                self.wrap_keys(task).await?;
            }
            for miner in serving(&view, asking.miner) {
                let left = asking.patience.saturating_sub(begun.elapsed());
                if left.is_zero() {
                    break;
                }
                if seen.insert(miner) {
                    self.ask_again(http, task, &miner).await?;
                }
                let policy = view.policy;
                let question = Question { task, miner, policy, graph, key: record.key, inputs, asking };
                match self.ask_one(http, &at, &question, &mut signed, left).await? {
                    Ok(answered) => return Ok(answered),
                    Err(reason) => last = format!("{}: {reason}", address(&miner)),
                }
            }
            if begun.elapsed() >= asking.patience {
                return Err(OwnerError::NoAnswer { task, seconds: begun.elapsed().as_secs(), last });
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks one miner; the inner error says why another should be asked.
    async fn ask_one(
        &self,
        http: &Http,
        at: &AtBlock,
        question: &Question<'_>,
        signed: &mut BTreeMap<Account, RequestRecord>,
        patience: Duration,
    ) -> Result<Result<Answered, String>, OwnerError> {
        let Question { task, miner, policy, graph, key, inputs, asking } = *question;
        let Some(contact) = market::contact(at, &miner).await? else {
            return Ok(Err("it is registered no more".to_owned()));
        };
        let Some(terms) = market::terms(at, task, &miner).await? else {
            return Ok(Err("it has no tariff".to_owned()));
        };
        let price_cap = asking.price_cap.unwrap_or(terms.per_request);
        let begun = Instant::now();
        let mut settled = terms.settled.through();
        for _ in 0..MAX_NUMBERS {
            let record = match signed.get(&miner) {
                Some(record) => record.clone(),
                None => self.book.next_request(task, &miner, settled, |number| {
                    let opening = Opening::of_inputs(graph, key, inputs, &*system_randomness()?)?;
                    let input = opening.input_digest(graph)?;
                    let authorisation = Authorisation { task, miner, number, input, price_cap };
                    let signature = self.signer.sign(&authorisation.payload(&self.genesis())).0;
                    Ok(RequestRecord { authorisation, signature, opening: opening.to_bytes().to_vec() })
                })?,
            };
            signed.insert(miner, record.clone());
            let left = patience.saturating_sub(begun.elapsed());
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
                        policy,
                        block: at.block_number(),
                    }));
                }
                // Another copy of the book was used for this task: the numbers go on from there.
                Sent::Used => {
                    settled = record.authorisation.number;
                    signed.remove(&miner);
                }
                Sent::Elsewhere(reason) => return Ok(Err(reason)),
            }
        }
        Ok(Err(format!("{MAX_NUMBERS} numbers in a row are used")))
    }

    /// Sends a signed request until it is answered, or somebody else is to be asked.
    async fn send(
        &self,
        http: &Http,
        contact: &Contact,
        graph: &Graph,
        record: &RequestRecord,
        patience: Duration,
    ) -> Result<Sent, OwnerError> {
        let authorisation = record.authorisation;
        let Authorisation { task, miner, number, .. } = authorisation;
        let url = url(contact, address(&miner), &format!("/v1/tasks/{task}/requests/{number}"))?;
        let invalid = |source: WireError| OwnerError::Answer {
            miner: address(&miner),
            number,
            source: Box::new(source),
        };
        let opening = Opening::from_bytes(&record.opening).map_err(|source| invalid(source.into()))?;
        let request = Request { authorisation, signature: record.signature, opening };
        let sealed = request.seal(self.genesis(), &contact.hpke).map_err(invalid)?;
        let begun = Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed()).max(PAUSE);
            let sent = Instant::now();
            let reason = match http.post(url.clone(), sealed.clone(), left).await {
                Said::Done(bytes) => {
                    let latency = sent.elapsed();
                    // The receipt is evidence, whatever the answer is worth.
                    let answer =
                        Answer::from_bytes(&bytes, &self.genesis(), &authorisation).map_err(invalid)?;
                    self.book.put_answer(task, &miner, number, &bytes)?;
                    let outputs = self.open(graph, &authorisation, &answer)?;
                    return Ok(Sent::Answered(Opened {
                        receipt: answer.receipt,
                        signature: answer.signature,
                        outputs,
                        latency,
                    }));
                }
                Said::Used => return Ok(Sent::Used),
                Said::Later { reason, elsewhere: true } => return Ok(Sent::Elsewhere(reason)),
                Said::Later { reason, elsewhere: false } => reason,
                Said::No { status, message } => {
                    return Err(OwnerError::Refused { miner: address(&miner), number, status, message });
                }
            };
            if begun.elapsed() >= patience {
                return Ok(Sent::Elsewhere(reason));
            }
            sleep(PAUSE).await;
        }
    }

    /// The outputs of an answer, which must be those that its receipt names.
    fn open(
        &self,
        graph: &Graph,
        authorisation: &Authorisation,
        answer: &Answer,
    ) -> Result<Vec<Vec<i64>>, OwnerError> {
        let Authorisation { task, miner, number, .. } = *authorisation;
        let invalid = |source: WireError| OwnerError::Answer {
            miner: address(&miner),
            number,
            source: Box::new(source),
        };
        let opened = answer
            .open(&exchange(self.genesis(), authorisation), &self.result_key(task)?)
            .map_err(invalid)?;
        if opened.output_digest(graph).ok() != Some(answer.receipt.output) {
            return Err(OwnerError::OtherOutput { miner: address(&miner), number });
        }
        let outputs = opened.tensors.iter().skip(graph.inputs.len()).flatten();
        Ok(outputs.map(|(values, _)| values.clone()).collect())
    }

    /// Sends once more what was signed for a miner and never answered: a sampled period has no gaps,
    /// and an acknowledgement reaches no further than the first one. How many are answered now.
    ///
    /// # Errors
    /// Where the book or the chain cannot be read.
    pub async fn ask_again(&self, http: &Http, task: TaskId, miner: &Account) -> Result<usize, OwnerError> {
        let at = self.chain.at_finalised().await?;
        let (Some(contact), Some(terms)) =
            (market::contact(&at, miner).await?, market::terms(&at, task, miner).await?)
        else {
            return Ok(0);
        };
        let key = self.book.task(task)?.key;
        let verifier = self.book.verifier(&key)?;
        let mut answered = 0;
        for number in self.book.unanswered(task, miner, terms.settled.through())? {
            let Some(record) = self.book.request(task, miner, number)? else { continue };
            match self.send(http, &contact, verifier.graph(), &record, PAUSE).await {
                Ok(Sent::Answered(_)) => answered += 1,
                Ok(Sent::Used) => {}
                // Another request of the same program may be under way with it.
                Ok(Sent::Elsewhere(_)) => break,
                Err(error @ OwnerError::Book { .. }) => return Err(error),
                Err(error) => tracing::warn!(task, number, %error, "an earlier request stays unanswered"),
            }
        }
        Ok(answered)
    }

    /// Tells a miner that all it was asked is answered, where that is what pays it. Up to which
    /// number.
    ///
    /// # Errors
    /// Where the book or the chain cannot be read, or the miner does not take it.
    pub async fn acknowledge(
        &self,
        http: &Http,
        task: TaskId,
        miner: &Account,
    ) -> Result<RequestNumber, OwnerError> {
        let at = self.chain.at_finalised().await?;
        let (Some(contact), Some(terms)) =
            (market::contact(&at, miner).await?, market::terms(&at, task, miner).await?)
        else {
            return Ok(0);
        };
        let settled = terms.settled.through();
        let through = self.book.answered_through(task, miner, settled)?;
        if through == settled {
            return Ok(through);
        }
        let word = Acknowledgement { task, miner: *miner, through };
        let mut body = word.encode();
        body.extend(self.signer.sign(&word.payload(&self.genesis())).0);
        let url = url(&contact, address(miner), &format!("/v1/tasks/{task}/acknowledgements"))?;
        match http.post(url, body, PAUSE * 50).await {
            Said::Done(_) => Ok(through),
            Said::Used => Ok(settled),
            Said::Later { reason, .. } => Err(OwnerError::Refused {
                miner: address(miner),
                number: through,
                status: 503,
                message: reason,
            }),
            Said::No { status, message } => {
                Err(OwnerError::Refused { miner: address(miner), number: through, status, message })
            }
        }
    }

    /// Demands the proof of an answer as its receipt names it: a miner that cannot prove what it signed
    /// loses its bond.
    ///
    /// # Errors
    /// Where the chain refuses.
    pub async fn demand(&self, answered: &Answered) -> Result<(), OwnerError> {
        let receipt = SignedReceipt {
            receipt: Static(answered.receipt),
            signature: MultiSignature::Sr25519(answered.signature),
        };
        let (task, miner) = (answered.receipt.task, AccountId32(answered.miner));
        let call = runtime::transactions().proofs().demand(task, miner, receipt);
        match self.submit_patiently(&call).await {
            Ok(_) => Ok(()),
            // Another demand is under way, or the proof is on chain.
            Err(ChainError::Dispatch { error, .. }) if error == "AlreadyDemanded" || error == "Final" => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the chain has judged the proof of an answer; `None` where it has not in time.
    ///
    /// # Errors
    /// Where the chain cannot be asked.
    pub async fn verdict(
        &self,
        answered: &Answered,
        patience: Duration,
    ) -> Result<Option<Verdict>, OwnerError> {
        let mut follow = self.chain.follow(Some(answered.block)).await?;
        let waiting = async {
            loop {
                let block = follow.next().await?;
                if let Some(verdict) = judged(&block, answered).await? {
                    return Ok(verdict);
                }
            }
        };
        match timeout(patience, waiting).await {
            Ok(verdict) => verdict.map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// What is asked of whom.
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

/// What came of a request.
enum Sent {
    Answered(Opened),
    Used,
    Elsewhere(String),
}

/// Who is asked, in order: replicas first, then standbys that serve. Owners that run the same program
/// at once begin with different ones.
fn serving(view: &TaskView, only: Option<Account>) -> Vec<Account> {
    let of = |role: Role| {
        let parts = view.parts.iter().filter(move |part| part.role == role && part.serves());
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

/// What a block says of the proof of an answer.
async fn judged(block: &AtBlock, answered: &Answered) -> Result<Option<Verdict>, ChainError> {
    let (task, miner) = (answered.receipt.task, AccountId32(answered.miner));
    let events = block.events().fetch().await?;
    let number = block.block_number();
    for event in events.find::<runtime::proofs::events::Verified>() {
        let event = event?;
        if (event.task, event.number) == (task, answered.number) && event.miner == miner {
            let Receipt { input, output, .. } = answered.receipt;
            // What is proven is the chain's word; that it is what was signed is for the owner to see.
            if (event.input, event.output) != (input, output) {
                return Ok(Some(Verdict::OtherAnswer { block: number }));
            }
            return Ok(Some(Verdict::Verified { block: number, paid: event.paid }));
        }
    }
    for event in events.find::<runtime::proofs::events::Punished>() {
        let event = event?;
        let evidence = event.evidence;
        if (evidence.task, evidence.number) == (task, answered.number) && event.miner == miner {
            let fault = format!("{:?}", evidence.fault);
            return Ok(Some(Verdict::Punished { block: number, fault, slashed: event.slashed }));
        }
    }
    Ok(None)
}
