//! An owner, miners and tasks on the chain, all made over RPC.

use std::collections::HashMap;

use anyhow::{Context, Result, anyhow, ensure};
use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::subxt::tx::StaticPayload;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_localnet::market::{self, BOND, HOME, Offer, TaskOrder};
use cyborg_primitives::money::UNIT;
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Account, ModelId, TaskId};
use runtime_types::pallet_tasks::types::TaskSpec;
use zkml_prover::{ProverKey, keygen};
use zkml_testkit::case::Case;
use zkml_verifier::VerifierKey;

use super::node::{NodeSetup, size_on_disk};
use super::people::Person;
use super::session::Session;

/// What a miner is given to begin with.
const FUNDS: u128 = BOND + 20 * UNIT;
/// The accounts that give it to them; each has ten million CYB.
const DONORS: [&str; 5] = ["//Bob", "//Charlie", "//Dave", "//Eve", "//Ferdie"];
/// What miners ask per compute hour, at least.
const PRICE: u128 = UNIT / 10;
/// Most regions that miners are scattered over.
const REGIONS: u32 = 100;
/// Miners of one task, at most.
pub(crate) const MAX_REPLICAS: usize = 16;

/// The locations and sizes of the miners.
#[derive(Clone, Copy)]
pub(crate) enum Fleet {
    /// All alike: tasks are spread over them evenly.
    Alike,
    /// In a hundred regions, of many sizes and prices.
    Scattered,
}

/// A model with real keys, and one real input.
pub(crate) struct Deployed {
    pub(crate) id: ModelId,
    pub(crate) key: ProverKey,
    pub(crate) verifier: VerifierKey,
    pub(crate) inputs: Vec<Vec<i64>>,
    pub(crate) cost: Cost,
}

/// An owner and its miners, on a chain.
pub(crate) struct Market {
    pub(crate) session: Session,
    pub(crate) owner: Person,
    pub(crate) miners: Vec<Person>,
    numbers: HashMap<Account, usize>,
}

/// What an owner asks for.
pub(crate) type Spec = TaskSpec<AccountId32>;

/// An engagement on a task: the miner by its index in [`Market::miners`].
pub(crate) type Engagement = (TaskId, usize);

impl Market {
    /// An owner and so many registered miners.
    ///
    /// # Errors
    /// Returns an error if the node refuses something.
    pub(crate) async fn open(session: Session, miners: u32, fleet: Fleet) -> Result<Self> {
        let mut people = (0..miners).map(Person::numbered).collect::<Result<Vec<_>>>()?;
        let mut transfers = Vec::new();
        let mut registrations = Vec::new();
        let share = people.len().div_ceil(DONORS.len()).max(1);
        let mut number = 0;
        for (donor, group) in DONORS.iter().zip(people.chunks_mut(share)) {
            let mut donor = Person::known(donor)?;
            for miner in group {
                let give = runtime::transactions().balances().transfer_keep_alive(miner.id().into(), FUNDS);
                transfers.push(donor.transaction(&session.at, give)?);
                registrations.push(miner.transaction(&session.at, registration(number, fleet))?);
                number += 1;
            }
        }
        // Transfers go first, so that no queue of one donor fills the pool.
        session.include(transfers).await?;
        session.include(registrations).await?;
        let numbers = people.iter().enumerate().map(|(number, miner)| (miner.account(), number)).collect();
        Ok(Self { session, owner: Person::known("//Alice")?, miners: people, numbers })
    }

    /// Ends the node and starts it again on the same folder, perhaps at another pace. Returns what the
    /// folder took on the disk meanwhile.
    ///
    /// # Errors
    /// Returns an error if the node does not end or does not start.
    pub(crate) async fn restart(
        self,
        setup: &NodeSetup<'_>,
        block_time_ms: Option<u64>,
    ) -> Result<(u64, Self)> {
        let Self { session, owner, miners, numbers } = self;
        session.close()?;
        let bytes = size_on_disk(setup.folder)?;
        let session = Session::open(setup, block_time_ms).await?;
        Ok((bytes, Self { session, owner, miners, numbers }))
    }

    /// Makes keys for a model and registers it.
    ///
    /// # Errors
    /// Returns an error if keys cannot be made, or the chain refuses the model.
    pub(crate) async fn deploy(&mut self, case: Case) -> Result<Deployed> {
        let Case { graph, weights, inputs } = case;
        let keys = keygen(graph, weights, &mut |_| ()).map_err(|error| anyhow!("{error}"))?;
        let cost: Cost = keys.verifier.cost().try_into()?;
        let register = market::register_model(keys.verifier.to_bytes(), cost);
        let transaction = self.owner.transaction(&self.session.at, register)?;
        let block = *self.session.include(vec![transaction]).await?.first().context("no block")?;
        let registered = self.session.events::<runtime::models::events::Registered>(block).await?;
        let id = registered.first().context("no model was registered")?.model;
        Ok(Deployed { id, key: keys.prover, verifier: keys.verifier, inputs, cost })
    }

    /// The owner's transactions for these tasks.
    ///
    /// # Errors
    /// Returns an error if they cannot be signed.
    pub(crate) fn submissions(&mut self, specs: impl IntoIterator<Item = Spec>) -> Result<Vec<String>> {
        let submit = |spec| runtime::transactions().tasks().submit(spec);
        specs.into_iter().map(|spec| self.owner.transaction(&self.session.at, submit(spec))).collect()
    }

    /// Submits tasks. Returns the engagements.
    ///
    /// # Errors
    /// Returns an error if one is refused.
    pub(crate) async fn submit(&mut self, specs: impl IntoIterator<Item = Spec>) -> Result<Vec<Engagement>> {
        let transactions = self.submissions(specs)?;
        let mut engaged = Vec::new();
        for block in self.session.include(transactions).await? {
            engaged.extend(self.engaged(block).await?);
        }
        Ok(engaged)
    }

    /// The engagements of a block.
    ///
    /// # Errors
    /// Returns an error if the events cannot be read, or a stranger was engaged.
    pub(crate) async fn engaged(&self, block: u64) -> Result<Vec<Engagement>> {
        let events = self.session.events::<runtime::tasks::events::Engaged>(block).await?;
        events
            .iter()
            .map(|event| {
                let number = self.numbers.get(&event.miner.0).context("an unknown miner was engaged")?;
                Ok((event.task, *number))
            })
            .collect()
    }

    /// The owner wraps keys for all engaged miners, and all confirm.
    ///
    /// # Errors
    /// Returns an error if the chain refuses something.
    pub(crate) async fn start(&mut self, engaged: &[Engagement], model: &Deployed) -> Result<()> {
        let mut tasks: Vec<(TaskId, Vec<AccountId32>)> = Vec::new();
        for (task, miner) in engaged {
            let id = self.miners[*miner].id();
            match tasks.last_mut() {
                Some((last, miners)) if last == task => miners.push(id),
                _ => tasks.push((*task, vec![id])),
            }
        }
        let mut transactions = Vec::new();
        for (task, miners) in tasks {
            ensure!(miners.len() <= MAX_REPLICAS, "task {task} has {} miners", miners.len());
            let provide = market::provide_keys(task, miners);
            transactions.push(self.owner.transaction(&self.session.at, provide)?);
        }
        self.session.include(transactions).await?;
        let recent = self.session.chain.at_finalised().await?;
        let mut transactions = Vec::new();
        for (task, miner) in engaged {
            let confirm = market::confirm(*task, model.verifier.digest(), &recent)?;
            transactions.push(self.miners[*miner].transaction(&self.session.at, confirm)?);
        }
        self.session.include(transactions).await?;
        Ok(())
    }

    /// A heartbeat of every miner, so many times.
    ///
    /// # Errors
    /// Returns an error if they cannot be signed.
    pub(crate) fn heartbeats(&mut self, rounds: usize) -> Result<Vec<String>> {
        let mut transactions = Vec::with_capacity(rounds * self.miners.len());
        for _ in 0..rounds {
            for miner in &mut self.miners {
                let beat = runtime::transactions().miners().heartbeat();
                transactions.push(miner.transaction(&self.session.at, beat)?);
            }
        }
        Ok(transactions)
    }
}

/// The locations that a task may run at.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    /// Anywhere, the nearer to one of many points the better: then not all tasks ask for the same miners,
    /// which take only so many tasks.
    Near(u32),
    /// In one of the regions that miners are scattered over.
    Within(u32),
}

/// A task of an hour with so many replicas.
pub(crate) fn spec(model: ModelId, policy: ProofPolicy, replicas: usize, wanted: Wanted) -> Spec {
    let replicas = u8::try_from(replicas).unwrap_or(u8::MAX);
    let (regions, near) = match wanted {
        Wanted::Near(number) => (Vec::new(), Some((cell(number * 7_919), 21_000))),
        Wanted::Within(number) => (vec![region(number)], None),
    };
    market::task_spec(TaskOrder {
        model,
        replicas,
        regions,
        near,
        price_cap: UNIT,
        max_proofs: 4 * u32::from(replicas),
        policy,
    })
}

/// One of the regions that miners are scattered over.
fn region(number: u32) -> Region {
    let letter = |digit: u32| b'A' + u8::try_from(digit % 26).unwrap_or_default();
    Region([letter(number % REGIONS / 10), letter(number % 10)])
}

/// One of many points: steps without a common factor go all around the Earth.
fn cell(number: u32) -> Cell {
    let degree = |step: i64, span: i64| i16::try_from(i64::from(number) * step % span - span / 2);
    Cell {
        latitude: degree(37, 12_000).unwrap_or_default(),
        longitude: degree(101, 36_000).unwrap_or_default(),
    }
}

fn registration(number: u32, fleet: Fleet) -> StaticPayload<runtime::miners::calls::Register> {
    let mut hpke = [9; 32];
    hpke[..4].copy_from_slice(&number.to_le_bytes());
    let home = Location { region: Region(*b"DE"), cell: HOME };
    let (location, memory_mib, price) = match fleet {
        Fleet::Alike => (home, 65_536, PRICE),
        Fleet::Scattered => {
            let price = PRICE + u128::from(number % 7) * PRICE / 4;
            (Location { region: region(number / 7), cell: cell(number) }, 8_192 << (2 * (number % 4)), price)
        }
    };
    market::register_miner(Offer {
        hpke,
        endpoint: format!("https://miner-{number}.example:9000"),
        location,
        memory_mib,
        macs_per_second: 1_000_000_000 + u64::from(number % 13) * 100_000_000,
        price,
    })
}
