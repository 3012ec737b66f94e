//! How good a model's answers are: classes, accuracy, agreement, distance.

/// How two models' rows are compared, and which class a row names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Criterion {
    /// The greatest entries are at the same place; that place is the class. A row of one entry
    /// names that entry, rounded.
    Top1,
    /// All entries are equal; the class is the first of them.
    Exact,
    /// No entries differ by more than this; the class is the first of them, rounded.
    Close(f64),
}

impl Criterion {
    fn agree(self, own: &[f32], other: &[f32]) -> bool {
        match self {
            Self::Top1 => class_of(own) == class_of(other),
            Self::Exact => own == other,
            Self::Close(band) => own.iter().zip(other).all(|(a, b)| f64::from((a - b).abs()) <= band),
        }
    }

    fn class(self, row: &[f32]) -> i64 {
        match self {
            Self::Top1 => class_of(row),
            Self::Exact | Self::Close(_) => row.first().map_or(-1, |value| value.round() as i64),
        }
    }
}

/// Agreement of many answers with labels and with another model's outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Rows compared with a label.
    pub labelled: u64,
    /// Rows whose class was the label.
    pub right: u64,
    /// Rows for which the other model's outputs were there.
    pub compared: u64,
    /// Rows in which both models agree.
    pub agreed: u64,
    /// Rows for which both labels and the other model's outputs were there.
    pub other_labelled: u64,
    /// Rows whose class was right in the other model.
    pub other_right: u64,
    /// Greatest distance between an output and the other model's.
    pub max_error: f64,
    /// Greatest magnitude of the other model's outputs: what the distances are relative to.
    pub magnitude: f64,
    /// Sum of those distances, and how many they are.
    error_sum: f64,
    errors: u64,
}

impl Score {
    /// Counts the rows of one sample. `outputs` are `rows x classes` real numbers, `labels` one for
    /// each row, `other` as many numbers as `outputs`.
    ///
    /// Labels of another number than rows, and other outputs of another length, are not counted:
    /// they are about something else than classes.
    pub fn count(
        &mut self,
        outputs: &[f32],
        classes: usize,
        criterion: Criterion,
        labels: Option<&[i64]>,
        other: Option<&[f32]>,
    ) {
        let classes = classes.max(1);
        let labels = labels.filter(|labels| labels.len() == outputs.len() / classes);
        let other = other.filter(|other| other.len() == outputs.len());
        for (row, own) in outputs.chunks_exact(classes).enumerate() {
            let label = labels.map(|labels| labels[row]);
            if let Some(label) = label {
                self.labelled += 1;
                self.right += u64::from(criterion.class(own) == label);
            }
            let Some(other) = other else { continue };
            let other = &other[row * classes..][..classes];
            self.compared += 1;
            self.agreed += u64::from(criterion.agree(own, other));
            if let Some(label) = label {
                self.other_labelled += 1;
                self.other_right += u64::from(criterion.class(other) == label);
            }
        }
    }

    /// Measures the distance of outputs from the other model's; arrays of another length are not
    /// measured.
    pub fn measure(&mut self, outputs: &[f32], other: &[f32]) {
        if outputs.len() != other.len() {
            return;
        }
        for (&own, &other) in outputs.iter().zip(other) {
            let error = f64::from((own - other).abs());
            self.max_error = self.max_error.max(error);
            self.magnitude = self.magnitude.max(f64::from(other.abs()));
            self.error_sum += error;
            self.errors += 1;
        }
    }

    /// Mean distance between an output and the other model's.
    #[must_use]
    pub fn mean_error(&self) -> f64 {
        self.error_sum / self.errors.max(1) as f64
    }
}

/// The class that a row names: the first greatest entry, or the entry itself, rounded, if it is
/// alone.
#[must_use]
pub fn class_of(row: &[f32]) -> i64 {
    if let [alone] = row {
        return alone.round() as i64;
    }
    let first_greatest =
        (0_i64..).zip(row).fold(
            (0, f32::NEG_INFINITY),
            |best, (class, &value)| if value > best.1 { (class, value) } else { best },
        );
    first_greatest.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_first_class() {
        assert_eq!(class_of(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(class_of(&[7.0]), 7);
    }

    #[test]
    fn rows_are_counted_once() {
        let mut score = Score::default();
        let (outputs, other) = ([0.0, 1.0, 1.0, 0.0], [0.0, 2.0, 0.5, 1.0]);
        score.count(&outputs, 2, Criterion::Top1, Some(&[1, 1]), Some(&other));
        score.measure(&outputs, &other);
        assert_eq!((score.labelled, score.right), (2, 1));
        assert_eq!((score.compared, score.agreed), (2, 1));
        assert_eq!((score.other_labelled, score.other_right), (2, 2));
        assert_eq!(score.max_error, 1.0);
        assert_eq!(score.mean_error(), (0.0 + 1.0 + 0.5 + 1.0) / 4.0);
    }

    #[test]
    fn what_is_about_something_else_is_left_out() {
        let mut score = Score::default();
        score.count(&[0.0, 1.0], 2, Criterion::Top1, Some(&[1, 1]), Some(&[0.0]));
        score.measure(&[0.0, 1.0], &[0.0]);
        assert_eq!(score, Score::default());
    }

    #[test]
    fn integers_agree_exactly_and_reals_within_a_band() {
        let mut score = Score::default();
        score.count(&[2.0, 3.0], 1, Criterion::Exact, Some(&[2, 4]), Some(&[2.0, 4.0]));
        assert_eq!((score.agreed, score.right, score.other_right), (1, 1, 2));
        score.count(&[2.0, 3.0], 1, Criterion::Close(0.5), None, Some(&[2.4, 3.6]));
        assert_eq!((score.compared, score.agreed), (4, 2));
    }
}
