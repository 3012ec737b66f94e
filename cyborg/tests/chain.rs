//! The chain at work: real models, keys and proofs, through the RPC of a real node and its wasm
//! runtime. `CYBORG_CHAIN_URL` names another node to test, such as the stock one.

mod embedded;
mod market;

use cyborg_chain_client::runtime;
use cyborg_primitives::signed::ProofContext;
use cyborg_primitives::verification::Cost;
use embedded::Server;
use market::{BOND, Market, TestResult, id, submission};
use runtime::proofs::events::{Punished, Refused, Verified};

/// The URL of the chain; a node of the test's own lives as long as this value.
struct Chain {
    url: String,
    _node: Option<(Server, tempfile::TempDir)>,
}

impl Chain {
    fn start() -> TestResult<Self> {
        if let Ok(url) = std::env::var("CYBORG_CHAIN_URL") {
            return Ok(Self { url, _node: None });
        }
        let folder = tempfile::tempdir()?;
        let (node, _, ready) = Server::start(folder.path(), &["--block-time", "60"])?;
        let url = ready["rpc"].as_str().ok_or("no address")?.to_owned();
        Ok(Self { url, _node: Some((node, folder)) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_proven_and_paid_and_the_rest_comes_back() -> TestResult {
    let chain = Chain::start()?;
    let market = Market::open(&chain.url, "//Alice", b"DE").await?;
    let issuance = market.issuance().await?;
    let bob = market.miner("//Bob//1", 1).await?;
    let (mlp, cnn) = (market.model("digits_mlp").await?, market.model("digits_cnn").await?);
    let held_before = market.balance(&market.owner).await?.1;
    let tasks = [market.task(&mlp, &[&bob], 10).await?, market.task(&cnn, &[&bob], 10).await?];

    // Both models' proofs in one call: one multi-scalar multiplication.
    let mut submissions = Vec::new();
    let mut claim = Cost::default();
    for (task, model) in tasks.iter().zip([&mlp, &cnn]) {
        for number in 1..=2 {
            submissions.push(market.answer(model, &market.ask(model, *task, &bob, number)?)?);
            claim = claim.with(Cost::try_from(model.verifier.cost())?);
        }
    }
    let done = market.submit(&bob, claim, submissions).await?;
    assert!(done.events::<Punished>()?.is_empty() && done.events::<Refused>()?.is_empty());
    let verified = done.events::<Verified>()?;
    assert_eq!(verified.len(), 4);
    assert!(verified.iter().all(|event| event.miner == id(&bob) && event.paid.is_some_and(|paid| paid > 0)));
    assert!(tasks.iter().all(|task| verified.iter().filter(|event| event.task == *task).count() == 2));
    let payments = done.events::<runtime::payments::events::Paid>()?;
    let paid: u128 = payments.iter().map(|event| event.to_miner + event.to_treasury).sum();
    assert_eq!(paid, payments.iter().map(|event| event.to_miner + event.to_treasury).sum::<u128>());
    assert_eq!(
        verified.iter().filter_map(|event| event.paid).sum::<u128>(),
        payments.iter().map(|event| event.to_miner).sum::<u128>()
    );

    // The same again is refused, and nobody is punished for sending it twice.
    let again = market.answer(&mlp, &market.ask(&mlp, tasks[0], &bob, 1)?)?;
    let done = market.submit(&bob, Cost::try_from(mlp.verifier.cost())?, vec![again]).await?;
    assert!(done.events::<Verified>()?.is_empty() && done.events::<Punished>()?.is_empty());
    assert_eq!(done.events::<Refused>()?.len(), 1);

    // Stopped, settled, vacated: what was not paid is the owner's again, and not a unit is lost.
    let held = market.balance(&market.owner).await?.1;
    for task in tasks {
        market.chain.submit(&runtime::transactions().tasks().stop(task), &market.owner).await?;
    }
    let mut refunded = 0;
    for task in tasks {
        refunded += market.refund(task).await?;
    }
    assert_eq!(refunded, held - held_before);
    assert_eq!(market.balance(&market.owner).await?.1, held_before);
    assert_eq!(market.bond(&bob).await?, BOND);
    assert_eq!(market.issuance().await?, issuance);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lie_is_slashed_and_no_truth_beside_it_suffers() -> TestResult {
    let chain = Chain::start()?;
    let market = Market::open(&chain.url, "//Charlie", b"FR").await?;
    let issuance = market.issuance().await?;
    let mut miners = Vec::new();
    for number in 1..=7 {
        miners.push(market.miner(&format!("//Dave//{number}"), 10 + number).await?);
    }
    let model = market.model("digits_mlp").await?;
    let other = market.model("digits_cnn").await?;
    let task = market.task(&model, &miners.iter().collect::<Vec<_>>(), 20).await?;
    let context = |miner: usize, number| ProofContext {
        task,
        miner: cyborg_account::keys::account(&miners[miner]),
        model: model.id,
        number,
    };
    let honest = market.ask(&model, task, &miners[0], 1)?;
    let proof = market.prove(&model, &honest, &context(0, 1))?;

    let mut lies = Vec::new();
    // A proof with one bit changed.
    let mut altered = proof.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    lies.push((1, submission(&market.ask(&model, task, &miners[1], 1)?, altered)));
    // Another miner's proof of the same request.
    lies.push((2, submission(&market.ask(&model, task, &miners[2], 1)?, proof.clone())));
    // A true proof of another input than the owner authorised.
    let mut asked = market.ask(&model, task, &miners[3], 1)?;
    let own = market.prove(&model, &asked, &context(3, 1))?;
    asked = market.ask(&model, task, &miners[3], 1)?;
    lies.push((3, submission(&asked, own)));
    // An old proof under a new number.
    let old = market.ask(&model, task, &miners[4], 1)?;
    let old = market.prove(&model, &old, &context(4, 1))?;
    lies.push((4, submission(&market.ask(&model, task, &miners[4], 2)?, old)));
    // A proof for another model.
    let foreign = market.ask(&other, task, &miners[5], 1)?;
    let proved = market.prove(&other, &foreign, &context(5, 1))?;
    lies.push((5, submission(&foreign, proved)));
    // A request that its owner never made, proven and signed by the miner itself.
    let mut invented = market.ask(&model, task, &miners[6], 1)?;
    invented.signature = market.sign(&miners[6], &invented.authorisation);
    let proved = market.prove(&model, &invented, &context(6, 1))?;
    lies.push((6, submission(&invented, proved)));

    for (liar, lie) in lies {
        let miner = &miners[liar];
        // Beside the lie, a truth in the same call.
        let truth = market.answer(&model, &market.ask(&model, task, miner, 7)?)?;
        let owner_before = market.balance(&market.owner).await?;
        let claim = Cost::try_from(model.verifier.cost())?.with(Cost::try_from(model.verifier.cost())?);
        let done = market.submit(miner, claim, vec![lie, truth]).await?;
        let punished = done.events::<Punished>()?;
        assert_eq!(punished.len(), 1, "lie {liar}");
        assert!(punished[0].miner == id(miner) && punished[0].slashed > 0, "lie {liar}");
        let verified = done.events::<Verified>()?;
        assert_eq!(verified.len(), 1, "lie {liar}");
        assert!(verified[0].number == 7 && verified[0].paid.is_some_and(|paid| paid > 0), "lie {liar}");
        assert_eq!(market.bond(miner).await?, BOND - punished[0].slashed, "lie {liar}");
        // Half of it is the owner's.
        let owner_after = market.balance(&market.owner).await?;
        assert_eq!(owner_after.0, owner_before.0 + punished[0].slashed / 2, "lie {liar}");
    }

    // A miner that lies about nothing loses nothing; a miner that is not engaged is refused.
    let done = market
        .submit(&miners[0], Cost::try_from(model.verifier.cost())?, vec![submission(&honest, proof)])
        .await?;
    assert_eq!(done.events::<Verified>()?.len(), 1);
    assert_eq!(market.bond(&miners[0]).await?, BOND);
    let stranger = market.miner("//Dave//stranger", 99).await?;
    let asked = market.ask(&model, task, &stranger, 1)?;
    let done = market
        .submit(&stranger, Cost::try_from(model.verifier.cost())?, vec![market.answer(&model, &asked)?])
        .await?;
    assert_eq!(done.events::<Refused>()?.len(), 1);
    assert_eq!(market.issuance().await?, issuance);
    Ok(())
}
