//! What the module exports: the only place where the verifier meets raw memory.
#![expect(unsafe_code, reason = "exported names, and bytes that the host has written into linear memory")]

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::ptr::null_mut;

use crate::Outcome;

/// The allocator that Rust's own standard library uses on wasm; it grows the linear memory.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A defect of the program, or no memory left, ends the call with a trap.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

fn layout(len: usize) -> Option<Layout> {
    Layout::array::<u8>(len).ok().filter(|_| len > 0)
}

/// `len` zeroed bytes for the host to write to; null if there is no memory, or `len` is zero.
#[unsafe(no_mangle)]
extern "C" fn alloc(len: usize) -> *mut u8 {
    // SAFETY: the layout is not empty.
    layout(len).map_or(null_mut(), |layout| unsafe { alloc_zeroed(layout) })
}

/// Gives bytes back.
///
/// # Safety
/// `ptr` came from `alloc(len)` and was not given back before.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(ptr: *mut u8, len: usize) {
    if let Some(layout) = layout(len).filter(|_| !ptr.is_null()) {
        // SAFETY: the caller's promise; `alloc` used the same layout.
        unsafe { dealloc(ptr, layout) }
    }
}

/// The host's bytes.
///
/// # Safety
/// `ptr` came from `alloc` with at least `len`, and stays untouched while the slice lives.
unsafe fn bytes<'a>(ptr: *const u8, len: usize) -> &'a [u8] {
    if ptr.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(ptr, len) }
}

/// [`crate::verify`] on the host's bytes.
///
/// # Safety
/// Each pointer came from `alloc` with at least its length, or is null and stands for no bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn verify(
    key: *const u8,
    key_len: usize,
    proof: *const u8,
    proof_len: usize,
    context: *const u8,
    context_len: usize,
) -> Outcome {
    // SAFETY: the caller's promise; the host does nothing while the call runs.
    let [key, proof, context] =
        unsafe { [bytes(key, key_len), bytes(proof, proof_len), bytes(context, context_len)] };
    crate::verify(key, proof, context)
}

/// [`crate::check_key`] on the host's bytes.
///
/// # Safety
/// The same as for [`verify`].
#[unsafe(no_mangle)]
unsafe extern "C" fn check_key(key: *const u8, key_len: usize) -> Outcome {
    // SAFETY: the caller's promise.
    crate::check_key(unsafe { bytes(key, key_len) })
}
