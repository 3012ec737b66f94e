//! An owner that asks a miner itself: while the chain is away, or faster than commands are started.
//! Numbers and requests are those of the owner's records, as the commands have them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cyborg_account::Keypair;
use cyborg_chain_client::view;
use cyborg_envelope::hpke::{PublicKey, SecretKey};
use cyborg_owner::ports::Records as _;
use cyborg_owner::records::RequestRecord;
use cyborg_owner::{Owner, OwnerRecords};
use cyborg_primitives::signed::{Authorisation, Payload as _, Receipt};
use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use cyborg_protocol::wire::{Answer, Request, exchange};
use tokio::task::JoinSet;
use tokio::time::sleep;
use zkml_prover::system_randomness;
use zkml_verifier::Opening;

use crate::TestResult;
use crate::harness::Network;
use crate::model::{self, Model};
use crate::parts::Person;
use crate::process::PATIENCE;

/// Pause before a miner is asked again that is busy or dead.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks one miner for one task.
pub(crate) struct Client {
    pub(crate) task: TaskId,
    pub(crate) miner: Account,
    url: String,
    hpke: PublicKey,
    price_cap: u128,
    genesis: Digest,
    signer: Keypair,
    records: OwnerRecords,
    result_key: SecretKey,
    model: &'static Model,
    http: reqwest::Client,
    answered: AtomicU64,
}

/// What a miner says to a request.
pub(crate) struct Said {
    pub(crate) status: u16,
    /// Whether it says when to ask again.
    pub(crate) retry: bool,
    pub(crate) body: Vec<u8>,
}

/// What is asked, at which path, with which body, and the status that refuses it.
pub(crate) type Refusal = (&'static str, String, Vec<u8>, u16);

/// A request that is signed and sealed.
pub(crate) struct Prepared {
    pub(crate) number: RequestNumber,
    authorisation: Authorisation,
    index: usize,
    sealed: Vec<u8>,
}

impl Client {
    /// An owner's way to a miner of its task.
    pub(crate) async fn new(
        network: &Network,
        owner: &Person,
        task: TaskId,
        miner: &Account,
    ) -> TestResult<Self> {
        let at = network.at().await?;
        let contact = view::contact(&at, miner).await?.ok_or("not registered")?;
        let terms = view::terms(&at, task, miner).await?.ok_or("no terms")?;
        let owner = Owner::new(network.chain.clone(), owner.key.clone(), &owner.records)?;
        Ok(Self {
            task,
            miner: *miner,
            url: contact.endpoint,
            hpke: contact.hpke,
            price_cap: terms.per_request,
            genesis: network.chain.genesis(),
            signer: owner.signer.clone(),
            result_key: owner.result_key(task).await?,
            records: owner.records,
            model: model::digits()?,
            http: reqwest::Client::builder().build()?,
            answered: AtomicU64::new(0),
        })
    }

    /// Signs and seals the next request, for a sample; it is in the owner's records then.
    pub(crate) async fn prepare(&self, index: usize) -> TestResult<Prepared> {
        let input = self.model.input(index)?;
        #[expect(clippy::result_large_err, reason = "the error is the owner's, as its records expect it")]
        let make = |number| {
            self.sign(number, &input).map_err(|error| cyborg_owner::OwnerError::Http(error.to_string()))
        };
        let (record, _guard) = self.records.next_request(self.task, &self.miner, 0, make).await?;
        self.seal(&record, index)
    }

    /// The same for a number of one's own choice; the records know nothing of it.
    pub(crate) fn prepare_number(&self, number: RequestNumber, index: usize) -> TestResult<Prepared> {
        self.seal(&self.sign(number, &self.model.input(index)?)?, index)
    }

    fn sign(&self, number: RequestNumber, input: &[Vec<i64>]) -> TestResult<RequestRecord> {
        let (graph, key) = (self.model.prover.graph(), self.model.prover.digest());
        let opening = Opening::of_inputs(graph, key, input, &*system_randomness()?)?;
        let input = opening.input_digest(graph)?;
        let (task, miner, price_cap) = (self.task, self.miner, self.price_cap);
        let authorisation = Authorisation { task, miner, number, input, price_cap };
        let signature = self.signer.sign(&authorisation.payload(&self.genesis)).0;
        Ok(RequestRecord { authorisation, signature, opening: opening.to_bytes().to_vec() })
    }

    fn seal(&self, record: &RequestRecord, index: usize) -> TestResult<Prepared> {
        let RequestRecord { authorisation, signature, .. } = *record;
        let opening = Opening::from_bytes(&record.opening)?;
        let sealed = Request { authorisation, signature, opening }.seal(self.genesis, &self.hpke)?;
        Ok(Prepared { number: authorisation.number, authorisation, index, sealed })
    }

    /// Sends a request once; nothing where nobody answers.
    pub(crate) async fn send(&self, prepared: &Prepared) -> Option<Said> {
        let url = format!("{}/v1/tasks/{}/requests/{}", self.url, self.task, prepared.number);
        let response = self.http.post(url).body(prepared.sealed.clone()).send().await.ok()?;
        let status = response.status().as_u16();
        let retry = response.headers().contains_key("retry-after");
        Some(Said { status, retry, body: response.bytes().await.ok()?.to_vec() })
    }

    /// Sends a request until it is answered, and checks the answer.
    pub(crate) async fn insist(&self, prepared: &Prepared) -> TestResult<Receipt> {
        let begun = Instant::now();
        loop {
            let said = self.send(prepared).await;
            match &said {
                Some(said) if said.status == 200 => return self.check(prepared, &said.body),
                Some(said) if !said.retry && said.status != 404 => {
                    let words = String::from_utf8_lossy(&said.body);
                    return Err(format!("{}: {} {words}", prepared.number, said.status).into());
                }
                _ => {}
            }
            if begun.elapsed() > PATIENCE {
                let last = said.map(|said| (said.status, String::from_utf8_lossy(&said.body).into_owned()));
                return Err(format!("request {} is not answered: {last:?}", prepared.number).into());
            }
            sleep(PAUSE).await;
        }
    }

    /// The receipt of an answer that is right, signed and decrypted.
    pub(crate) fn check(&self, prepared: &Prepared, body: &[u8]) -> TestResult<Receipt> {
        let Prepared { authorisation, index, .. } = prepared;
        let answer = Answer::from_bytes(body, &self.genesis, authorisation)?;
        let opening = answer.open(&exchange(self.genesis, authorisation), &self.result_key)?;
        assert_eq!(opening.output_digest(self.model.prover.graph())?, answer.receipt.output);
        let outputs: Vec<_> = opening.tensors.iter().flatten().map(|(values, _)| values.clone()).collect();
        assert_eq!(outputs, self.model.output(&self.model.input(*index)?)?, "request {}", prepared.number);
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(answer.receipt)
    }

    /// How many answers it has got.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Requests that are nobody's to make, each with its path and the status that refuses it. Number 1 is
    /// answered, and all others up to `next` are not.
    pub(crate) fn refusals(&self, stranger: &Keypair, next: RequestNumber) -> TestResult<Vec<Refusal>> {
        let path = |number: RequestNumber| format!("/v1/tasks/{}/requests/{number}", self.task);
        let input = self.model.input(0)?;
        let seal = |number: RequestNumber, change: &dyn Fn(&mut Request), to: &PublicKey| -> TestResult<_> {
            let RequestRecord { authorisation, signature, ref opening } = self.sign(number, &input)?;
            let mut request = Request { authorisation, signature, opening: Opening::from_bytes(opening)? };
            change(&mut request);
            Ok(request.seal(self.genesis, to)?)
        };
        let sign =
            |key: &Keypair, request: &Request| key.sign(&request.authorisation.payload(&self.genesis)).0;
        let nothing = |_: &mut Request| ();
        let other_key = self.result_key.public();
        let other_opening = self.sign(next, &input)?;
        let other_opening = Opening::from_bytes(&other_opening.opening)?;
        let other_input = move |request: &mut Request| {
            request.opening.tensors.clone_from(&other_opening.tensors);
        };
        let cheap = |request: &mut Request| {
            request.authorisation.price_cap = 1;
            request.signature = sign(&self.signer, request);
        };
        Ok(vec![
            ("sealed for another number", path(next + 1), seal(next, &nothing, &self.hpke)?, 400),
            ("sealed for another key", path(next), seal(next, &nothing, &other_key)?, 400),
            ("noise", path(next), vec![7; 1_000], 400),
            ("nothing", path(next), Vec::new(), 400),
            ("another task", "/v1/tasks/9999/requests/1".to_owned(), vec![7; 100], 404),
            ("too much", path(next), vec![7; (16 << 20) + 1], 413),
            (
                "signed by a stranger",
                path(next),
                seal(next, &|request| request.signature = sign(stranger, request), &self.hpke)?,
                401,
            ),
            ("too cheap", path(next), seal(next, &cheap, &self.hpke)?, 402),
            ("another input than authorised", path(next), seal(next, &other_input, &self.hpke)?, 422),
            ("a used number", path(1), seal(1, &nothing, &self.hpke)?, 409),
            ("a far number", path(1 << 40), seal(1 << 40, &nothing, &self.hpke)?, 429),
        ])
    }

    /// Posts bytes to the miner; the status.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> TestResult<u16> {
        Ok(self.http.post(format!("{}{path}", self.url)).body(body).send().await?.status().as_u16())
    }

    /// Asks for the next number.
    pub(crate) async fn ask(&self, index: usize) -> TestResult<Receipt> {
        self.insist(&self.prepare(index).await?).await
    }

    /// Asks so many times, several at once.
    pub(crate) async fn ask_many(self: &Arc<Self>, count: usize, at_once: usize) -> TestResult {
        let mut running = JoinSet::new();
        for worker in 0..at_once {
            let client = self.clone();
            running.spawn(async move {
                for index in (worker..count).step_by(at_once) {
                    client.ask(index % 16).await?;
                }
                TestResult::Ok(())
            });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        Ok(())
    }
}
