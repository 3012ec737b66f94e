//! Builds the runtime's wasm.

#[cfg(feature = "std")]
fn main() {
    /// Packages whose integers must not wrap silently, as in the workspace's own profile: the wasm
    /// is built in a workspace of its own, which does not see that.
    const CHECKED: [&str; 9] = [
        "cyborg-runtime",
        "cyborg-scheduler",
        "pallet-miners",
        "pallet-models",
        "pallet-payments",
        "pallet-proofs",
        "pallet-reports",
        "pallet-tasks",
        "zkml-graph",
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
    substrate_wasm_builder::WasmBuilder::build_using_defaults();
}

#[cfg(not(feature = "std"))]
fn main() {}
