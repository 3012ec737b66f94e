//! Views: how the axes of a value in the float model lie on the axes of a stored tensor, so that
//! reshapes, transpositions and slices cost nothing.

use zkml_graph::AxisMap;

/// One run of a logical axis along a stored axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Atom {
    /// At least 2.
    pub(crate) extent: usize,
    /// Stored axis; `None` repeats the same elements.
    pub(crate) axis: Option<usize>,
    /// Stored coordinates from one index to the next.
    pub(crate) stride: usize,
}

/// A logical array over a stored one. The stored coordinate on an axis is its offset plus the
/// strides times the indices of the atoms on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Atoms of every logical axis, slowest first; an axis of extent 1 has none.
    pub(crate) axes: Vec<Vec<Atom>>,
    /// Offset on every stored axis; negative where the view begins in padding.
    pub(crate) offset: Vec<i64>,
    /// Shape of the stored tensor.
    pub(crate) storage: Vec<usize>,
    /// Whether some coordinates are outside the stored tensor, and read as zero.
    pub(crate) padded: bool,
}

/// A sum over logical axes, as a sum over stored axes.
pub(crate) struct Contraction {
    /// Stored axis, dilation and extent of every inner index, in order of the stored axes.
    pub(crate) inner: Vec<(usize, usize, usize)>,
    /// For each inner position, the position in the logical axes, row-major in their order.
    pub(crate) order: Vec<usize>,
}

/// Where the logical axes of a value go: `(output axis, extent)` for every atom.
pub(crate) type Layout = Vec<Vec<(usize, usize)>>;

fn merge(atoms: Vec<Atom>) -> Vec<Atom> {
    let mut out: Vec<Atom> = Vec::with_capacity(atoms.len());
    for atom in atoms.into_iter().filter(|a| a.extent > 1) {
        match out.last_mut() {
            Some(last)
                if last.axis == atom.axis
                    && (atom.axis.is_none() || last.stride == atom.stride * atom.extent) =>
            {
                last.extent *= atom.extent;
                last.stride = atom.stride;
            }
            _ => out.push(atom),
        }
    }
    out
}

/// Cuts the front of `atoms` into a list of the given total extent.
fn take_front(atoms: &mut Vec<Atom>, extent: usize) -> Option<Vec<Atom>> {
    let mut need = extent;
    let mut out = Vec::new();
    while need > 1 {
        let first = *atoms.first()?;
        if need.is_multiple_of(first.extent) {
            need /= first.extent;
            out.push(first);
            atoms.remove(0);
        } else if first.extent.is_multiple_of(need) {
            let rest = first.extent / need;
            out.push(Atom { extent: need, stride: first.stride * rest, ..first });
            atoms[0] = Atom { extent: rest, ..first };
            need = 1;
        } else {
            return None;
        }
    }
    Some(out)
}

impl View {
    /// The whole of a stored tensor, axis by axis.
    pub(crate) fn whole(storage: &[usize]) -> Self {
        Self {
            axes: storage
                .iter()
                .enumerate()
                .map(|(axis, &extent)| merge(vec![Atom { extent, axis: Some(axis), stride: 1 }]))
                .collect(),
            offset: vec![0; storage.len()],
            storage: storage.to_vec(),
            padded: false,
        }
    }

    /// A tensor stored with one axis for each given extent, and its view as grouped. Axes of
    /// extent 1 are kept out of storage; an empty shape is stored as `[1]`.
    pub(crate) fn grouped(groups: &[Vec<usize>]) -> (Vec<usize>, Self) {
        let mut storage = Vec::new();
        let mut axes = Vec::new();
        for group in groups {
            let mut atoms = Vec::new();
            for &extent in group.iter().filter(|&&e| e > 1) {
                atoms.push(Atom { extent, axis: Some(storage.len()), stride: 1 });
                storage.push(extent);
            }
            axes.push(atoms);
        }
        if storage.is_empty() {
            storage.push(1);
        }
        let offset = vec![0; storage.len()];
        (storage.clone(), Self { axes, offset, storage, padded: false })
    }

    /// Logical shape.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|atoms| atoms.iter().map(|a| a.extent).product()).collect()
    }

    fn len(&self) -> usize {
        self.atoms().map(|a| a.extent).product()
    }

    pub(crate) fn atoms(&self) -> impl Iterator<Item = &Atom> {
        self.axes.iter().flatten()
    }

    /// Whether every stored element is seen exactly once.
    pub(crate) fn is_bijective(&self) -> bool {
        !self.padded
            && self.atoms().all(|a| a.axis.is_some())
            && self.len() == self.storage.iter().product::<usize>()
    }

    /// Whether the elements are seen in the order in which they are stored, each once.
    pub(crate) fn is_row_major(&self) -> bool {
        if !self.is_bijective() {
            return false;
        }
        let steps = zkml_float::array::strides(&self.storage);
        let atoms: Vec<&Atom> = self.atoms().collect();
        let mut expected = 1;
        for atom in atoms.into_iter().rev() {
            let step = atom.axis.map_or(0, |axis| atom.stride * steps[axis]);
            if step != expected {
                return false;
            }
            expected *= atom.extent;
        }
        true
    }

    /// Whether every atom is a whole stored axis, so that atoms and stored axes are the same.
    pub(crate) fn is_simple(&self) -> bool {
        self.is_bijective()
            && self.atoms().all(|a| a.axis.is_some_and(|x| self.storage[x] == a.extent) && a.stride == 1)
    }

    /// The same elements in another shape; `None` if an axis would have to be cut unevenly.
    pub(crate) fn reshape(&self, shape: &[usize]) -> Option<Self> {
        let mut atoms = merge(self.atoms().copied().collect());
        let mut axes = Vec::with_capacity(shape.len());
        for &extent in shape {
            axes.push(take_front(&mut atoms, extent)?);
        }
        let cuts = axes.iter().flatten().count();
        // A padded axis cannot be cut: its parts would run into each other.
        if self.padded && cuts != self.atoms().count() {
            return None;
        }
        atoms.is_empty().then(|| Self { axes, ..self.clone() })
    }

    /// Axes in another order.
    pub(crate) fn transpose(&self, permutation: &[usize]) -> Self {
        Self { axes: permutation.iter().map(|&a| self.axes[a].clone()).collect(), ..self.clone() }
    }

    /// `length` elements of a logical axis from `start`, `step` apart.
    pub(crate) fn slice(&self, axis: usize, start: usize, step: usize, length: usize) -> Option<Self> {
        let mut out = self.clone();
        let atoms = &self.axes[axis];
        let total: usize = atoms.iter().map(|a| a.extent).product();
        if start == 0 && step == 1 && length == total {
            return Some(out);
        }
        if length == 1 {
            let mut rest = start;
            for atom in atoms.iter().rev() {
                if let Some(x) = atom.axis {
                    out.offset[x] += (rest % atom.extent * atom.stride) as i64;
                }
                rest /= atom.extent;
            }
            out.axes[axis] = Vec::new();
            return Some(out);
        }
        let first = atoms.first()?;
        let below: usize = atoms[1..].iter().map(|a| a.extent).product();
        let fits = below == 1 || (step == 1 && start.is_multiple_of(below) && length.is_multiple_of(below));
        if !fits {
            return None;
        }
        if let Some(x) = first.axis {
            out.offset[x] += (start / below * first.stride) as i64;
        }
        out.axes[axis][0] = Atom { extent: length / below, stride: first.stride * step, ..*first };
        out.axes[axis].retain(|a| a.extent > 1);
        Some(out)
    }

    /// The view repeated to a larger shape, by the rules of broadcasting.
    pub(crate) fn broadcast(&self, shape: &[usize]) -> Self {
        let mut axes = vec![Vec::new(); shape.len().saturating_sub(self.axes.len())];
        axes.extend(self.axes.iter().cloned());
        for (atoms, &extent) in axes.iter_mut().zip(shape) {
            if atoms.is_empty() && extent > 1 {
                atoms.push(Atom { extent, axis: None, stride: 0 });
            }
        }
        Self { axes, ..self.clone() }
    }

    /// Zeros around a logical axis; `None` if the axis is not a stored axis of its own.
    pub(crate) fn pad(&self, axis: usize, before: usize, after: usize) -> Option<Self> {
        if before == 0 && after == 0 {
            return Some(self.clone());
        }
        let [atom] = self.axes[axis][..] else {
            return None;
        };
        let stored = atom.axis?;
        let alone = self.atoms().filter(|a| a.axis == Some(stored)).count() == 1;
        // A slice would show what it cut off where zeros belong.
        let whole = atom.stride == 1 && self.offset[stored] == 0 && atom.extent == self.storage[stored];
        if !alone || !whole {
            return None;
        }
        let mut out = self.clone();
        out.offset[stored] -= before as i64;
        out.axes[axis][0].extent += before + after;
        out.padded = true;
        Some(out)
    }

    /// The same elements where every stored axis with several atoms on it is stored as several
    /// axes, row-major, cut where the atoms step. `None` if the steps do not divide each other,
    /// or an offset carries from one part into the next.
    pub(crate) fn split_storage(&self) -> Option<Self> {
        let mut storage = Vec::new();
        let mut offset = Vec::new();
        let mut axes = self.axes.clone();
        // New axes are numbered beyond the old ones until all are done.
        let beyond = self.storage.len();
        for (axis, &extent) in self.storage.iter().enumerate() {
            let here: Vec<Atom> = self.atoms().filter(|a| a.axis == Some(axis)).copied().collect();
            if here.len() <= 1 {
                for atom in axes.iter_mut().flatten().filter(|a| a.axis == Some(axis)) {
                    atom.axis = Some(beyond + storage.len());
                }
                storage.push(extent);
                offset.push(self.offset[axis]);
                continue;
            }
            let mut cuts: Vec<usize> = here.iter().map(|a| a.stride).chain([1, extent]).collect();
            cuts.sort_unstable_by(|a, b| b.cmp(a));
            cuts.dedup();
            let mut rest = usize::try_from(self.offset[axis]).ok()?;
            if cuts[0] != extent || cuts.windows(2).any(|w| !w[0].is_multiple_of(w[1])) {
                return None;
            }
            for cut in cuts.windows(2) {
                let (digits, start) = (cut[0] / cut[1], rest / cut[1]);
                for atom in axes.iter_mut().flatten() {
                    if atom.axis == Some(axis) && atom.stride == cut[1] {
                        if start + atom.extent > digits {
                            return None;
                        }
                        atom.axis = Some(beyond + storage.len());
                        atom.stride = 1;
                    }
                }
                storage.push(digits);
                offset.push(start as i64);
                rest %= cut[1];
            }
        }
        for atom in axes.iter_mut().flatten() {
            atom.axis = match atom.axis {
                Some(axis) => Some(axis.checked_sub(beyond)?),
                None => None,
            };
        }
        Some(Self { axes, offset, storage, padded: self.padded })
    }

    /// Index maps with the offsets, and nothing else yet.
    pub(crate) fn maps(&self) -> Vec<AxisMap> {
        self.offset.iter().map(|&offset| AxisMap { offset, out: None, inner: None }).collect()
    }

    /// The extents of every logical axis' atoms: the layout of an output that reads this view.
    pub(crate) fn extents(&self) -> Vec<Vec<usize>> {
        self.axes.iter().map(|atoms| atoms.iter().map(|a| a.extent).collect()).collect()
    }

    /// The axis maps that read this view into an output of the given layout. Logical axes are
    /// aligned at the last one; missing and unit axes broadcast. `None` if a stored axis would
    /// follow two output axes, or an axis would be cut unevenly.
    pub(crate) fn read(&self, layout: &Layout) -> Option<Vec<AxisMap>> {
        let mut maps = self.maps();
        let lead = layout.len().checked_sub(self.axes.len())?;
        for (atoms, targets) in self.axes.iter().zip(&layout[lead..]) {
            if atoms.is_empty() {
                continue;
            }
            let mut rest = merge(atoms.clone());
            for &(out, extent) in targets {
                let [atom] = take_front(&mut rest, extent)?[..] else {
                    return None;
                };
                if let Some(axis) = atom.axis {
                    if maps[axis].out.is_some() {
                        return None;
                    }
                    maps[axis].out = Some((u32::try_from(out).ok()?, u32::try_from(atom.stride).ok()?));
                }
            }
            if !rest.is_empty() {
                return None;
            }
        }
        Some(maps)
    }

    /// The sum over some logical axes, in the stored order.
    pub(crate) fn contract(&self, axes: &[usize]) -> Option<Contraction> {
        let atoms: Vec<Atom> = axes.iter().flat_map(|&a| self.axes[a].iter().copied()).collect();
        let extents: Vec<usize> = atoms.iter().map(|a| a.extent).collect();
        let steps = zkml_float::array::strides(&extents);
        let mut inner = Vec::new();
        // For each inner index, the digits (extent, logical step) that it runs through.
        let mut digits: Vec<(usize, usize)> = Vec::new();
        for axis in 0..self.storage.len() {
            let mut here: Vec<(Atom, usize)> = atoms
                .iter()
                .zip(&steps)
                .filter(|(a, _)| a.axis == Some(axis))
                .map(|(a, &s)| (*a, s))
                .collect();
            if here.is_empty() {
                continue;
            }
            here.sort_by_key(|(a, _)| std::cmp::Reverse(a.stride));
            let nested = here.windows(2).all(|w| w[0].0.stride == w[1].0.stride * w[1].0.extent);
            if !nested {
                return None;
            }
            let extent = here.iter().map(|(a, _)| a.extent).product();
            inner.push((axis, here[here.len() - 1].0.stride, extent));
            digits.extend(here.iter().map(|(a, s)| (a.extent, *s)));
        }
        if atoms.iter().any(|a| a.axis.is_none()) {
            return None;
        }
        let shape: Vec<usize> = digits.iter().map(|d| d.0).collect();
        let mut order = Vec::with_capacity(shape.iter().product());
        zkml_float::array::for_each_index(&shape, |index| {
            order.push(index.iter().zip(&digits).map(|(i, d)| i * d.1).sum());
        });
        Some(Contraction { inner, order })
    }
}

/// Numbers the atoms of a shape given as extents in order: the layout of a new output.
pub(crate) fn layout(extents: &[Vec<usize>]) -> Layout {
    let mut next = 0;
    extents
        .iter()
        .map(|group| {
            group
                .iter()
                .filter(|&&e| e > 1)
                .map(|&extent| {
                    next += 1;
                    (next - 1, extent)
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshape_merges_and_splits() {
        let view = View::whole(&[4, 6]);
        let flat = view.reshape(&[24]);
        assert!(flat.as_ref().is_some_and(View::is_row_major));
        let split = view.reshape(&[2, 2, 3, 2]);
        assert!(split.as_ref().is_some_and(View::is_row_major));
        assert!(view.reshape(&[8, 3]).is_some_and(|v| v.is_row_major()));
        assert!(view.reshape(&[3, 8]).is_none());
        let turned = view.transpose(&[1, 0]);
        assert!(!turned.is_row_major());
        assert!(turned.is_bijective());
        assert_eq!(turned.shape(), [6, 4]);
    }

    #[test]
    fn contraction_follows_storage() {
        // A transposed 2 x 3 tensor, flattened: logical position j * 2 + i for stored (i, j).
        let view = View::whole(&[2, 3]).transpose(&[1, 0]).reshape(&[6]);
        let contraction = view.as_ref().and_then(|v| v.contract(&[0]));
        let Some(contraction) = contraction else { panic!("contracts") };
        assert_eq!(contraction.inner, [(0, 1, 2), (1, 1, 3)]);
        assert_eq!(contraction.order, [0, 2, 4, 1, 3, 5]);
    }

    #[test]
    fn slices_move_the_offset() {
        let view = View::whole(&[5, 8]);
        let Some(cut) = view.slice(1, 1, 2, 3) else { panic!("slices") };
        assert_eq!(cut.shape(), [5, 3]);
        assert_eq!(cut.offset, [0, 1]);
        assert!(!cut.is_bijective());
        assert!(cut.pad(1, 1, 0).is_none(), "a slice cannot be padded in place");
        assert!(view.pad(1, 1, 0).is_some_and(|v| v.offset == [0, -1] && v.shape() == [5, 9]));
    }

    #[test]
    fn storage_is_split_where_atoms_step() {
        // Shuffled channels beside a padded axis: only the channels are cut.
        let shuffled = View::whole(&[12, 3]).reshape(&[3, 4, 3]).map(|v| v.transpose(&[1, 0, 2]));
        let padded = shuffled.as_ref().and_then(|v| v.reshape(&[12, 3])).and_then(|v| v.pad(1, 1, 1));
        let Some(split) = padded.and_then(|v| v.split_storage()) else { panic!("splits") };
        assert_eq!((split.storage, split.offset), (vec![3, 4, 3], vec![0, 0, -1]));
        assert!(split.padded);
        // Every other of the 3 outer steps of 4: 8 does not divide 12.
        let uneven = shuffled.as_ref().and_then(|v| v.slice(1, 0, 2, 2));
        assert!(uneven.is_some_and(|v| v.split_storage().is_none()));
        // The last two of them: the offset stays within its part.
        let late = shuffled.as_ref().and_then(|v| v.slice(1, 1, 1, 2)).and_then(|v| v.split_storage());
        assert!(late.is_some_and(|v| v.offset == [1, 0, 0]));
    }
}
