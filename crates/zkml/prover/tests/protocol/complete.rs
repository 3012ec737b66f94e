//! True statements are accepted, for every kind of node and both visibilities.

use crate::maker::{Maker, mlp};
use zkml_prover::{Request, check, keygen, prove, trace::Trace};
use zkml_verifier::{VerifierKey, Visibility, verify};

fn round_trip(mut maker: Maker) {
    let inputs = vec![maker.input()];
    zkml_graph::validate::validate(&maker.graph).unwrap();
    let keys = keygen(maker.graph.clone(), maker.weights.clone(), &mut |_| ()).unwrap();
    let execution = zkml_engine::execute(&maker.graph, &maker.weights, &inputs).unwrap();
    let trace = Trace::new(keys.prover.circuit(), &maker.graph, execution);
    assert_eq!(check::violations(keys.prover.circuit(), &trace), []);
    let verifier = VerifierKey::from_bytes(&keys.verifier.to_bytes()).unwrap();
    verifier.check().unwrap();
    for (input, output) in [
        (Visibility::Committed, Visibility::Committed),
        (Visibility::Public, Visibility::Public),
    ] {
        let request = Request {
            inputs: &inputs,
            context: b"here",
            input,
            output,
        };
        let proved = prove(&keys.prover, &request).unwrap();
        let statement = verify(&verifier, &proved.proof, b"here").unwrap();
        if let Some(opening) = proved.opening {
            assert!(opening.opens(&statement));
        }
        assert!(verify(&verifier, &proved.proof, b"there").is_err());
    }
}

#[test]
fn dense_layers() {
    round_trip(mlp());
}
