//! Rewrites of the float model before lowering.

use crate::ir::Ir;

/// Rewrites in place.
pub(crate) fn rewrite(ir: &mut Ir) {
    let _ = ir;
}
