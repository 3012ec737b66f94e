//! Builds the runtime's wasm.

#[cfg(feature = "std")]
fn main() {
    /// Packages whose integers must not wrap silently. The workspace's own profile says the same, but
    /// the wasm is built in a workspace of its own.
    const CHECKED: [&str; 11] = [
        "cyborg-chain-verifier",
        "cyborg-runtime",
        "cyborg-scheduler",
        "pallet-miners",
        "pallet-models",
        "pallet-payments",
        "pallet-proofs",
        "pallet-reports",
        "pallet-tasks",
        "zkml-graph",
        "zkml-verifier",
    ];
    let checks = CHECKED.map(|name| format!("--config profile.release.package.{name}.overflow-checks=true"));
    #[expect(
        unsafe_code,
        reason = "this process has one thread, and the builder takes arguments in this way alone"
    )]
    // SAFETY: nothing else reads or writes the environment at the same time.
    unsafe {
        std::env::set_var("WASM_BUILD_CARGO_ARGS", checks.join(" "));
        // Under clippy, the build of the wasm is no check: it would be linted, and built again by the next build.
        std::env::remove_var("RUSTC_WORKSPACE_WRAPPER");
    }
    let builder = substrate_wasm_builder::WasmBuilder::init_with_defaults();
    // The builder keeps every runtime of a target folder in one place: the one that not every node can
    // run has another name there, so that it never takes the stock runtime's place.
    #[cfg(feature = "host-msm")]
    let builder = builder.set_file_name("cyborg_runtime_host_msm");
    builder.build();
}

#[cfg(not(feature = "std"))]
fn main() {}
