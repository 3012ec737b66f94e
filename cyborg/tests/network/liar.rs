//! A miner that lies. It is registered, bonded, attested and reached as any other, reads the model with
//! the key that its owner wrapped for it, and does with each request what it was made for.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cyborg_account::Keypair;
use cyborg_chain_client::Chain;
use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::subxt::utils::{AccountId32, Static};
use cyborg_envelope::hpke::{PublicKey, SecretKey};
use cyborg_envelope::message::Exchange;
use cyborg_envelope::wrap::{Recipient, unwrap};
use cyborg_envelope::{ContentKey, blob};
use cyborg_localnet::market::{self, Offer};
use cyborg_localnet::ports;
use cyborg_miner::Standing;
use cyborg_miner::view::{self, TaskView};
use cyborg_owner::locations;
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::signed::{Authorisation, Payload as _, ProofContext, Receipt};
use cyborg_primitives::{Account, TaskId};
use cyborg_protocol::bundle::{CONTEXT, Deployment};
use cyborg_protocol::wire::{Answer, Request};
use cyborg_storage_client::storage::download;
use runtime_types::bounded_collections::bounded_vec::BoundedVec;
use tokio::runtime::Handle;
use tokio::time::sleep;
use zkml_core::transcript::HashTranscript;
use zkml_prover::{ProverKey, prove_opened, system_randomness};
use zkml_verifier::{Opening, PROTOCOL, Visibility};

use crate::TestResult;
use crate::harness::Network;
use crate::money::UNIT;
use crate::parts::Person;

/// What honest miners ask too.
const PRICE: u128 = 10 * UNIT;
/// How often it looks at its tasks.
const LOOK: Duration = Duration::from_millis(200);

/// What a miner lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Signs for a wrong answer, and proves the right one once the proof is demanded.
    WrongAnswer,
    /// The same, and proves the right one at once.
    WrongAnswerProvenRight,
    /// Sends another answer than it signs for.
    OtherAnswer,
    /// The right answer, and a proof with one bit changed.
    WrongProof,
    /// The right answer, and the proof that another miner has submitted.
    CopiedProof,
    /// The right answers, and the first one's proof for each.
    OldProof,
    /// The right answer, its proof, and leave to be paid that it gave itself.
    InventedRequest,
    /// The right answer, and no proof whatever happens.
    Silence,
}

/// A lying miner; it stops when the test ends.
pub(crate) struct Liar {
    pub(crate) account: Account,
    pub(crate) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    lie: Lie,
    chain: Chain,
    key: Keypair,
    hpke: SecretKey,
    storage: Vec<String>,
    serves: Mutex<Option<Arc<Serving>>>,
    first_proof: Mutex<Option<Vec<u8>>>,
    /// What went wrong with the lie itself.
    trouble: Mutex<Option<String>>,
}

/// A task that it has confirmed.
struct Serving {
    task: TaskId,
    view: TaskView,
    registered: Registered,
    key: ProverKey,
}

fn enter<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers a miner that is none of the network's own: its key for owners is this one, and it is
/// reached at a port.
pub(crate) async fn register(
    network: &Network,
    person: &Person,
    hpke: &SecretKey,
    region: &str,
    port: u16,
) -> TestResult {
    let region = Region(region.as_bytes().try_into()?);
    let register = market::register_miner(Offer {
        hpke: hpke.public().0,
        endpoint: format!("http://127.0.0.1:{port}"),
        location: Location { region, cell: Cell { latitude: 5011, longitude: 868 } },
        memory_mib: 4096,
        macs_per_second: 1_000_000_000,
        price: PRICE,
    });
    network.chain.submit(&register, &person.key).await?;
    Ok(())
}

/// Fetches a task's model as its miners do, and opens it with a content key.
pub(crate) async fn fetch(
    storage: &[String],
    signer: &Keypair,
    manifest: [u8; 32],
    content_key: &ContentKey,
) -> TestResult<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("blob");
    download(&*locations::storage(storage, &[], signer, None)?, &manifest, &path).await?;
    Ok(blob::open(content_key, CONTEXT, &fs::read(path)?)?.to_vec())
}

impl Liar {
    /// Registers one, and lets it listen.
    pub(crate) async fn begin(network: &Network, name: &str, region: &str, lie: Lie) -> TestResult<Self> {
        let person = network.person(name).await?;
        let (hpke, listener) = (SecretKey::generate()?, ports::listener()?);
        register(network, &person, &hpke, region, listener.local_addr()?.port()).await?;
        let shared = Arc::new(Shared {
            lie,
            chain: network.chain.clone(),
            key: person.key.clone(),
            hpke,
            storage: network.storage_urls(),
            serves: Mutex::new(None),
            first_proof: Mutex::new(None),
            trouble: Mutex::new(None),
        });
        let (runtime, serving) = (Handle::current(), shared.clone());
        // It listens as long as the test's process lives.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Err(error) = serving.serve(stream, &runtime) {
                    *enter(&serving.trouble) = Some(error.to_string());
                }
            }
        });
        let living = shared.clone();
        tokio::spawn(async move {
            loop {
                // What the chain refuses now it may take later.
                let _ = living.chain.submit(&runtime::transactions().miners().heartbeat(), &living.key).await;
                sleep(LOOK * 10).await;
            }
        });
        let taking = shared.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = taking.take_task().await {
                    *enter(&taking.trouble) = Some(error.to_string());
                }
                sleep(LOOK).await;
            }
        });
        let account = person.account();
        Ok(Self { account, address: AccountId32(account).to_string(), shared })
    }

    /// Fails where it could not lie as it was to.
    pub(crate) fn check(&self) -> TestResult {
        match &*enter(&self.shared.trouble) {
            Some(trouble) => Err(format!("{:?}: {trouble}", self.shared.lie).into()),
            None => Ok(()),
        }
    }
}

impl Shared {
    fn account(&self) -> Account {
        cyborg_account::keys::account(&self.key)
    }

    fn recipient(&self, task: TaskId) -> Recipient {
        Recipient { genesis: self.chain.genesis(), task, miner: self.account() }
    }

    /// Reads the model of a task for which it was given a key, and confirms.
    async fn take_task(&self) -> TestResult {
        let at = self.chain.at_finalised().await?;
        for task in view::tasks_of(&at, &self.account()).await? {
            let Some(found) = view::task(&at, task, &self.account()).await? else { continue };
            let (Standing::Keyed, Some(wrap), Some((manifest, _))) =
                (found.standing, found.wrap, found.files)
            else {
                continue;
            };
            if enter(&self.serves).is_some() {
                continue;
            }
            let content_key = unwrap(&wrap, &self.hpke, &self.recipient(task))?;
            let bytes = fetch(&self.storage, &self.key, manifest, &content_key).await?;
            let deployment = Deployment::from_bytes(&bytes)?;
            let key = ProverKey::from_bytes(deployment.key)?;
            let registered = view::model(&at, found.model).await?.ok_or("no model")?;
            let confirm = market::confirm(task, registered.key, &at)?;
            let serving = Serving { task, view: found, registered, key };
            *enter(&self.serves) = Some(Arc::new(serving));
            self.chain.submit(&confirm, &self.key).await?;
        }
        Ok(())
    }

    /// One request of HTTP, one answer, and no more.
    fn serve(self: &Arc<Self>, stream: TcpStream, runtime: &Handle) -> TestResult {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first)?;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let path = first.split_whitespace().nth(1).unwrap_or_default();
        let number = path.split_once("/requests/").and_then(|(_, number)| number.parse::<u64>().ok());
        let serving = enter(&self.serves).clone();
        let (status, answer) = match (number, serving) {
            (Some(number), Some(serving)) => ("200 OK", self.answer(&serving, number, &body, runtime)?),
            // An acknowledgement.
            (None, Some(_)) => ("204 No Content", Vec::new()),
            (_, None) => ("404 Not Found", Vec::new()),
        };
        let mut stream = reader.into_inner();
        let length = answer.len();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
        Ok(stream.write_all(&answer)?)
    }

    /// Answers a request, and sees to its proof.
    fn answer(
        self: &Arc<Self>,
        serving: &Arc<Serving>,
        number: u64,
        sealed: &[u8],
        runtime: &Handle,
    ) -> TestResult<Vec<u8>> {
        let exchange = Exchange { recipient: self.recipient(serving.task), number };
        let request = Request::open(&exchange, &self.hpke, sealed)?;
        let (key, graph) = (&serving.key, serving.key.graph());
        let inputs: Vec<Vec<i64>> =
            request.opening.tensors.iter().flatten().map(|(values, _)| values.clone()).collect();
        let right = zkml_engine::run(graph, key.weights(), &inputs)?;
        // Of the same values, in another order: another class.
        let wrong: Vec<Vec<i64>> =
            right.iter().map(|values| values.iter().rev().copied().collect()).collect();
        let truth = request.opening.with_outputs(graph, &right, &*system_randomness()?)?;
        let falsehood = request.opening.with_outputs(graph, &wrong, &*system_randomness()?)?;
        let (signed, sent) = match self.lie {
            Lie::WrongAnswer | Lie::WrongAnswerProvenRight => (&falsehood, &falsehood),
            Lie::OtherAnswer => (&truth, &falsehood),
            _ => (&truth, &truth),
        };
        let Authorisation { task, miner, number, input, .. } = request.authorisation;
        let receipt = Receipt { task, miner, number, input, output: signed.output_digest(graph)? };
        let signature = self.key.sign(&receipt.payload(&self.chain.genesis())).0;
        let (_, result_key) = serving.view.files.ok_or("no result key")?;
        let to = PublicKey(result_key);
        let answer = Answer::seal(&exchange, &to, receipt, signature, sent, inputs.len())?;
        let (this, serving) = (self.clone(), serving.clone());
        runtime.spawn(async move {
            if let Err(error) = this.prove(&serving, &request, &truth, &inputs).await {
                *enter(&this.trouble) = Some(error.to_string());
            }
        });
        Ok(answer.to_bytes())
    }

    /// Submits what this miner has instead of a proof.
    async fn prove(
        &self,
        serving: &Serving,
        request: &Request,
        truth: &Opening,
        inputs: &[Vec<i64>],
    ) -> TestResult {
        let Authorisation { task, miner, number, .. } = request.authorisation;
        let (mut authorisation, mut signature) = (request.authorisation, request.signature);
        let context = ProofContext { task, miner, model: serving.view.model, number };
        let context = context.payload(&self.chain.genesis());
        let what = zkml_prover::Request {
            inputs,
            context: &context,
            input: Visibility::Committed,
            output: Visibility::Committed,
        };
        let mut transcript = HashTranscript::new(PROTOCOL);
        let mut proof = prove_opened(&serving.key, &what, truth, &mut transcript)?.proof;
        match self.lie {
            Lie::WrongAnswerProvenRight => {}
            Lie::WrongAnswer => self.demanded(task, number).await?,
            Lie::OtherAnswer | Lie::Silence => return Ok(()),
            Lie::WrongProof => {
                let middle = proof.len() / 2;
                proof[middle] ^= 1;
            }
            Lie::CopiedProof => proof = self.proof_of_another().await?,
            Lie::OldProof => proof = enter(&self.first_proof).get_or_insert(proof).clone(),
            Lie::InventedRequest => {
                authorisation.price_cap += 1;
                signature = self.key.sign(&authorisation.payload(&self.chain.genesis())).0;
            }
        }
        let submission = market::submission(authorisation, signature, proof);
        let claim = Static(serving.registered.cost);
        let call = runtime::transactions().proofs().submit(claim, BoundedVec(vec![submission]));
        self.chain.submit(&call, &self.key).await?;
        Ok(())
    }

    /// Waits until the owner demands a proof.
    async fn demanded(&self, task: TaskId, number: u64) -> TestResult {
        loop {
            let at = self.chain.at_finalised().await?;
            if view::owed(&at, task, &self.account()).await?.demanded.contains(&number) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// A proof that another miner has submitted, as it is in its block.
    async fn proof_of_another(&self) -> TestResult<Vec<u8>> {
        let last = self.chain.at_finalised().await?.block_number();
        for block in (1..=last).rev() {
            let at = self.chain.at(block).await?;
            for call in at.extrinsics().fetch().await?.find::<runtime::proofs::calls::Submit>() {
                for submission in call?.submissions.0 {
                    if submission.authorisation.0.miner != self.account() {
                        return Ok(submission.proof.0);
                    }
                }
            }
        }
        Err("nobody has proven anything yet".into())
    }
}
