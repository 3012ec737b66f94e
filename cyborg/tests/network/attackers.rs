//! Miners that lie: the owner that asked such a miner finds it out, and the chain slashes it; an honest miner
//! beside it is paid.

use crate::TestResult;
use crate::harness::{Network, Plan, run};
use crate::liar::{Liar, Lie};
use crate::money;
use crate::witness;
use cyborg_localnet::witness::{Event, Ledger};

const BOND: u128 = 1_000 * money::UNIT;

/// Registers a liar for each lie, in a region of their own.
async fn liars(network: &Network, region: &str, lies: &[Lie]) -> TestResult<Vec<Liar>> {
    let mut liars = Vec::new();
    for lie in lies {
        liars.push(Liar::begin(network, &format!("{lie:?}"), region, *lie).await?);
    }
    Ok(liars)
}

/// The chain has found a miner guilty of this, once, and its bond lacks what that costs.
async fn found_guilty(network: &Network, liar: &Liar, fault: &str) -> TestResult {
    network.witness.catch_up(&network.chain).await?;
    let (count, slashed) = {
        let seen = network.witness.ledger();
        let guilty = |event: &&Event| event.fields["miner"] == liar.address;
        let verdicts: Vec<_> = seen.of("Proofs.Punished").filter(guilty).collect();
        let found = verdicts.iter().map(|event| event.fields["evidence"]["fault"].to_string());
        assert!(found.clone().all(|found| found.contains(fault)), "{fault}: {:?}", found.collect::<Vec<_>>());
        (verdicts.len(), verdicts.iter().map(|event| event.amount("slashed").0).sum::<u128>())
    };
    assert_eq!(count, 1, "{fault}");
    assert!(slashed > 0, "{fault}");
    assert_eq!(money::bond(&network.at().await?, &liar.account).await?, BOND - slashed, "{fault}");
    liar.check()
}

#[test]
fn a_miner_that_lies_about_a_proof_is_slashed_and_honest_work_beside_it_is_paid() -> TestResult {
    run(Plan::default(), async |network| {
        use Lie::{CopiedProof, InventedRequest, OldProof, OtherAnswer, WrongProof};
        let lies = [WrongProof, CopiedProof, OldProof, InventedRequest, OtherAnswer];
        let liars = liars(network, "FR", &lies).await?;
        let owner = &network.owner;
        let words = format!("--replicas {} --region DE --region FR --proofs 100", lies.len() + 1);
        let task = network.deploy(owner, &words).await?;
        let honest = network.miners[0].account();
        let only_honest = format!("--miner {}", cyborg_chain_client::subxt::utils::AccountId32(honest));
        // A proof that can be copied.
        network.infer_proven(owner, task, 0, &only_honest).await?;

        for (liar, lie) in liars.iter().zip(lies) {
            let only = format!("--wait-proof --miner {}", liar.address);
            if lie == OldProof {
                // The first one is true.
                network.infer_proven(owner, task, 1, &format!("--miner {}", liar.address)).await?;
            }
            let done = network.infer(owner, task, 2, &only).await?;
            match lie {
                OtherAnswer => {
                    done.fails(2, &["sent another output than it signed for", &liar.address])?;
                    liar.check()?;
                    continue;
                }
                InventedRequest => done.fails(1, &["InventedRequest", "not to be trusted"])?,
                _ => done.fails(1, &["FalseProof", "not to be trusted"])?,
            };
            let fault = if lie == InventedRequest { "InventedRequest" } else { "FalseProof" };
            found_guilty(network, liar, fault).await?;
        }

        network.infer_proven(owner, task, 3, &only_honest).await?;
        network.witness.all_proven(task, &honest, 1..=2).await?;
        assert_eq!(money::bond(&network.at().await?, &honest).await?, BOND);
        // Of the liars' own proofs, the true one was paid and nothing else.
        let paid: Vec<usize> = {
            let seen = network.witness.ledger();
            liars.iter().map(|liar| witness::verified(&seen, task, &liar.account).len()).collect()
        };
        assert_eq!(paid, [0, 0, 1, 0, 0]);
        network.check_escrow(task).await
    })
}

#[test]
fn a_miner_that_signs_a_wrong_answer_or_proves_nothing_is_slashed_when_the_proof_is_demanded() -> TestResult {
    // The time to prove a demand is twenty minutes of chain time: forty seconds here.
    run(Plan::default(), async |network| {
        let lies = [Lie::WrongAnswer, Lie::Silence];
        let liars = liars(network, "FR", &lies).await?;
        let owner = &network.owner;
        let words = "--policy on-demand --replicas 3 --region DE --region FR --proofs 100";
        let task = network.deploy(owner, words).await?;
        for (liar, fault) in liars.iter().zip(["FalseProof", "UnprovenDemand"]) {
            let done =
                network.infer(owner, task, 0, &format!("--wait-proof --miner {}", liar.address)).await?;
            done.fails(1, &[fault, "not to be trusted"])?;
            found_guilty(network, liar, fault).await?;
        }
        let honest = network.miners[0].account();
        let only = format!("--miner {}", cyborg_chain_client::subxt::utils::AccountId32(honest));
        network.infer_proven(owner, task, 1, &only).await?;
        assert_eq!(money::bond(&network.at().await?, &honest).await?, BOND);
        network.check_escrow(task).await
    })
}

/// If every answer is proven without being asked for, the proof on chain has to be that of the receipt: a
/// miner may deceive its user and prove something else. Its receipt convicts it.
#[test]
fn a_miner_that_signs_one_answer_and_proves_another_is_slashed() -> TestResult {
    run(Plan { miners: &[], ..Plan::default() }, async |network| {
        let liars = liars(network, "FR", &[Lie::WrongAnswerProvenRight]).await?;
        let task = network.deploy(&network.owner, "--proofs 20").await?;
        let done = network.infer(&network.owner, task, 0, "--wait-proof").await?;
        done.fails(1, &["another", "not to be trusted", "demands"])?;
        let guilty = |ledger: &Ledger| witness::blamed(ledger, &liars[0].account).count() > 0;
        network.witness.expect("it is punished", guilty).await?;
        found_guilty(network, &liars[0], "UnprovenDemand").await?;
        network.check_escrow(task).await
    })
}
