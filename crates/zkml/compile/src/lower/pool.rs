//! Pools and reductions: averages are sums with public factors, maxima are chains of pairs.

use super::conv::slide;
use super::emit::Target;
use super::expr::{Body, Expr, Factor, Item, Term};
use super::linear::{follow, sum_over};
use super::view::{Atom, View, layout};
use super::{Lowering, Refusal};
use crate::calibrate::Range;
use zkml_float::exec::reduce_axes;
use zkml_float::geometry::{Window, windows};
use zkml_float::ir::{Node, ValueId};
use zkml_graph::{FunctionKind, Op, TensorId};

/// Longest chain of maxima.
const MAX_WINDOW: usize = 1024;

impl Lowering<'_> {
    pub(super) fn reduced(&self, node: &Node) -> Result<Vec<usize>, Refusal> {
        let rank = node.input(0).map(|id| self.logical_shape(id)).ok_or(Refusal::Follows)??.len();
        let listed = match node.input(1) {
            Some(_) => Some(self.constant_array(node, 1).ok_or("axes that depend on the input")?),
            None => None,
        };
        Ok(reduce_axes(node, listed, rank)?)
    }

    /// A sum or mean over logical axes; all spatial ones by default.
    pub(super) fn sum_axes(
        &mut self,
        node: &Node,
        axes: Option<Vec<usize>>,
        mean: bool,
    ) -> Result<(), Refusal> {
        let shape = self.logical_shape(node.output(0).ok_or(Refusal::Follows)?)?;
        let (id, tensor, view) = self.input_tensor(node, 0)?;
        let axes = axes.unwrap_or_else(|| (2..view.axes.len()).collect());
        let count: usize = axes.iter().map(|&a| view.shape()[a]).product();
        let (tensor, view, sum) = self.contraction(tensor, id, &view, &axes)?;
        let mut groups = view.extents();
        axes.iter().for_each(|&a| groups[a] = vec![]);
        let (storage, out) = View::grouped(&groups);
        let mut map = view.maps();
        let kept: Vec<usize> = (0..view.axes.len()).filter(|a| !axes.contains(a)).collect();
        follow(&mut map, &view, &kept, 0)?;
        let inner = sum_over(&mut map, &sum, 0);
        // The mean of integers is rounded towards zero; that of reals needs no rounding.
        let truncated = mean && self.ir.integer.contains(&id);
        let factor = Factor::Public(if mean && !truncated { 1.0 / count as f64 } else { 1.0 });
        let expr = Expr::single(storage, Item::Tensor { tensor, inner, map, factor });
        let out = out.reshape(&shape).ok_or("a shape that does not fit")?;
        if !truncated {
            return self.set_pending(node, expr, out);
        }
        let divisor = i32::try_from(count).map_err(|_| "a mean of more than 2^31 integers")?;
        let after = self.range(node.output(0).ok_or(Refusal::Follows)?)?;
        let (n, rest) = (count as f64, count as f64 - 1.0);
        let sums = Range { integer: true, ..Range::known(after.min * n - rest, after.max * n + rest) };
        let target =
            Target::Function { kind: FunctionKind::Truncate { divisor }, before: &sums, after: &after };
        let tensor = self.emit(expr, &node.name, target)?;
        self.set_tensor(node, tensor, out)
    }

    pub(super) fn average_pool(&mut self, node: &Node) -> Result<(), Refusal> {
        let (id, tensor, view) = self.input_tensor(node, 0)?;
        let windows = windows(node, &view.shape()[2..], None)?;
        let (tensor, view) = self.windowed(tensor, id, &view, &windows)?;
        let include = node.int("count_include_pad", 0) != 0;
        let mut groups = view.extents();
        for (group, window) in groups[2..].iter_mut().zip(&windows) {
            *group = vec![window.output];
        }
        let (storage, out) = View::grouped(&groups);
        let first = view.axes[0].len() + view.axes[1].len();
        // Runs of outputs with one divisor, on every spatial axis.
        let runs: Vec<Vec<(usize, usize, usize)>> =
            windows.iter().map(|w| divisor_runs(w, include)).collect();
        let counts: Vec<usize> = runs.iter().map(Vec::len).collect();
        let mut boxes: Vec<Vec<(usize, usize, usize)>> = Vec::new();
        zkml_float::array::for_each_index(&counts, |index| {
            boxes.push(index.iter().zip(&runs).map(|(&i, r)| r[i]).collect());
        });
        let mut terms = Vec::new();
        for part in boxes {
            let mut region = Expr::everywhere(&storage);
            let mut map = view.maps();
            follow(&mut map, &view, &[0, 1], 0)?;
            let inner = slide(&mut map, &view, &windows, first, 0);
            let mut axis = first;
            let mut divisor = 1;
            for ((&(start, length, count), window), atoms) in part.iter().zip(&windows).zip(&view.axes[2..]) {
                divisor *= count;
                if let Some((atom, stored)) = atoms.first().and_then(|a| a.axis.map(|x| (a, x))) {
                    map[stored].offset += (start * window.stride * atom.stride) as i64;
                }
                if window.output > 1 {
                    region[axis] = (start, length);
                    axis += 1;
                }
            }
            if divisor == 0 {
                return Err("a window without elements".into());
            }
            let factor = Factor::Public(1.0 / divisor as f64);
            terms.push(Term { region, item: Item::Tensor { tensor, inner, map, factor } });
        }
        self.set_pending(node, Expr { shape: storage, body: Body::Affine(terms) }, out)
    }

    pub(super) fn max_pool(&mut self, node: &Node) -> Result<(), Refusal> {
        let (id, tensor, view) = self.input_tensor(node, 0)?;
        let windows = windows(node, &view.shape()[2..], None)?;
        let (mut tensor, mut view) = self.comparable(tensor, id, &view)?;
        // The narrowest axis first: the fewer rows, the cheaper the next chain.
        for (axis, window) in windows.iter().enumerate().rev() {
            (tensor, view) = self.max_window(tensor, &view, axis + 2, window, &node.name)?;
        }
        if let Some(range) = node.output(0).and_then(|o| self.stats[o].as_ref()) {
            self.power[tensor as usize] = range.moments();
        }
        self.set_tensor(node, tensor, view)
    }

    /// A tensor whose elements a comparison table can hold, without padding.
    pub(super) fn comparable(
        &mut self,
        tensor: TensorId,
        id: ValueId,
        view: &View,
    ) -> Result<(TensorId, View), Refusal> {
        let tensor = self.narrow(tensor, id, self.bits.activation + 2)?;
        if view.padded { self.contiguous(tensor, view) } else { Ok((tensor, view.clone())) }
    }

    /// The maximum over a window that slides along one logical axis: a chain of pairs.
    pub(super) fn max_window(
        &mut self,
        tensor: TensorId,
        view: &View,
        axis: usize,
        window: &Window,
        name: &str,
    ) -> Result<(TensorId, View), Refusal> {
        if window.kernel == 1 && window.stride == 1 && window.output == window.input {
            return Ok((tensor, view.clone()));
        }
        if window.kernel > MAX_WINDOW {
            return Err(format!("a window of {} elements", window.kernel).into());
        }
        let (mut tensor, mut view) = (tensor, view.clone());
        let inside = window.pad.0 == 0
            && (window.output - 1) * window.stride + (window.kernel - 1) * window.dilation < window.input;
        let usable = |view: &View| match view.axes[axis][..] {
            [] => true,
            [Atom { axis: Some(stored), stride, extent }] => {
                let whole = view.offset[stored] == 0 && extent == view.storage[stored];
                let alone = view.atoms().filter(|a| a.axis == Some(stored)).count() == 1;
                alone && (inside || (whole && stride == 1))
            }
            _ => false,
        };
        if !usable(&view) || view.read(&layout(&view.extents())).is_none() {
            let shape = view.shape();
            (tensor, view) = self.contiguous(tensor, &view)?;
            view = view.reshape(&shape).ok_or("a layout that is not supported")?;
        }
        if !usable(&view) {
            return Err("a maximum over this layout".into());
        }
        let Some(&atom) = view.axes[axis].first() else {
            if window.output == 1 {
                return Ok((tensor, view));
            }
            return Err("a padded window on an axis of extent 1".into());
        };
        let stored = atom.axis.ok_or(Refusal::Follows)?;
        let mut extents = view.extents();
        extents[axis] = vec![window.output];
        let (storage, out) = View::grouped(&extents);
        let to = layout(&extents);
        let tap = |k: usize| {
            let mut at = view.clone();
            at.offset[stored] +=
                (k * window.dilation) as i64 * atom.stride as i64 - (window.pad.0 * atom.stride) as i64;
            at.axes[axis] = if window.output > 1 {
                let stride = atom.stride * window.stride;
                vec![Atom { extent: window.output, stride, ..atom }]
            } else {
                vec![]
            };
            at
        };
        if window.kernel == 1 {
            return Ok((tensor, tap(0)));
        }
        let range = (self.tensor(tensor).min, self.tensor(tensor).max);
        let scale = i32::from(self.tensor(tensor).scale);
        let power = self.power[tensor as usize];
        let read = |tensor: TensorId, view: &View| view.read(&to).map(|map| zkml_graph::View { tensor, map });
        let mut best = read(tensor, &tap(0)).ok_or("a layout that is not supported")?;
        let mut result = tensor;
        for k in 1..window.kernel {
            let next = read(tensor, &tap(k)).ok_or("a layout that is not supported")?;
            result = self.push_op(Op::Max { a: best, b: next }, name, &storage, range, scale)?;
            self.power[result as usize] = power;
            best = read(result, &out).ok_or("a layout that is not supported")?;
        }
        Ok((result, out))
    }

    /// The maximum along one logical axis, by halving.
    pub(super) fn max_along(
        &mut self,
        tensor: TensorId,
        view: &View,
        axis: usize,
        name: &str,
    ) -> Result<(TensorId, View), Refusal> {
        let (mut tensor, mut view) = (tensor, view.clone());
        while view.axes[axis].len() > 1 {
            // Several atoms: each as an axis of its own.
            let atom = view.axes[axis].remove(0);
            view.axes.push(vec![atom]);
            let last = view.axes.len() - 1;
            (tensor, view) = self.max_along(tensor, &view, last, name)?;
            view.axes.pop();
        }
        loop {
            let n: usize = view.axes[axis].iter().map(|a| a.extent).product();
            if n == 1 {
                return Ok((tensor, view));
            }
            let half = Window {
                input: n,
                kernel: 2,
                stride: 2,
                dilation: 1,
                pad: (0, n % 2),
                output: n.div_ceil(2),
            };
            (tensor, view) = self.max_window(tensor, &view, axis, &half, name)?;
        }
    }

    /// `sign * max(sign * x)` over logical axes; all spatial ones by default.
    pub(super) fn max_axes(
        &mut self,
        node: &Node,
        axes: Option<Vec<usize>>,
        sign: f64,
    ) -> Result<(), Refusal> {
        let shape = self.logical_shape(node.output(0).ok_or(Refusal::Follows)?)?;
        let (id, tensor, view) = self.input_tensor(node, 0)?;
        let (mut tensor, mut view) = self.comparable(tensor, id, &view)?;
        if sign < 0.0 {
            tensor = self.negated(tensor)?;
        }
        let axes = axes.unwrap_or_else(|| (2..view.axes.len()).collect());
        for &axis in axes.iter().rev() {
            (tensor, view) = self.max_along(tensor, &view, axis, &node.name)?;
        }
        if sign < 0.0 {
            tensor = self.negated(tensor)?;
        }
        let view = view.reshape(&shape).ok_or("a shape that does not fit")?;
        self.set_tensor(node, tensor, view)
    }
}

/// Runs `(start, length, divisor)` of outputs whose windows hold equally many elements.
fn divisor_runs(window: &Window, include_pad: bool) -> Vec<(usize, usize, usize)> {
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for o in 0..window.output {
        let divisor = window.divisor(o, include_pad);
        match runs.last_mut() {
            Some(run) if run.2 == divisor => run.1 += 1,
            _ => runs.push((o, 1, divisor)),
        }
    }
    runs
}
