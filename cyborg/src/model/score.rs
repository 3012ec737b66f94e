//! How good a model's answers are: classes, accuracy, agreement, distance.

/// Agreement of many answers with labels and with another model's outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Score {
    /// Rows compared with a label, and those whose class was right.
    pub(crate) labelled: u64,
    /// Rows whose class was the label.
    pub(crate) right: u64,
    /// Rows for which the other model's outputs were there.
    pub(crate) compared: u64,
    /// Rows for which both models name one class.
    pub(crate) agreed: u64,
    /// Rows for which both labels and the other model's outputs were there.
    pub(crate) other_labelled: u64,
    /// Rows whose class was right in the other model.
    pub(crate) other_right: u64,
    /// Greatest distance between an output and the other model's.
    pub(crate) max_error: f64,
    /// Sum of those distances, and how many they are.
    error_sum: f64,
    errors: u64,
}

impl Score {
    /// Adds one sample. `outputs` are `rows x classes` real numbers, `labels` one for each row.
    ///
    /// Labels of another number than rows, and float outputs of another length, are not counted:
    /// they are about something else than classes.
    pub(crate) fn add(
        &mut self,
        outputs: &[f32],
        classes: usize,
        labels: Option<&[i64]>,
        other: Option<&[f32]>,
    ) {
        let classes = classes.max(1);
        let labels = labels.filter(|labels| labels.len() == outputs.len() / classes);
        let other = other.filter(|other| other.len() == outputs.len());
        for (row, own) in outputs.chunks_exact(classes).enumerate() {
            let class = class_of(own);
            let label = labels.map(|labels| labels[row]);
            if let Some(label) = label {
                self.labelled += 1;
                self.right += u64::from(class == label);
            }
            let Some(other) = other else { continue };
            let other = &other[row * classes..][..classes];
            self.compared += 1;
            self.agreed += u64::from(class == class_of(other));
            if let Some(label) = label {
                self.other_labelled += 1;
                self.other_right += u64::from(class_of(other) == label);
            }
            for (&own, &other) in own.iter().zip(other) {
                let error = (f64::from(own) - f64::from(other)).abs();
                self.max_error = self.max_error.max(error);
                self.error_sum += error;
                self.errors += 1;
            }
        }
    }

    /// Mean distance between an output and the other model's.
    pub(crate) fn mean_error(&self) -> f64 {
        self.error_sum / self.errors.max(1) as f64
    }
}

/// The class that a row names: the first greatest entry, or the entry itself where it is alone.
pub(crate) fn class_of(row: &[f32]) -> i64 {
    if let [alone] = row {
        return alone.round() as i64;
    }
    let mut best = 0;
    for (class, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = class;
        }
    }
    best as i64
}

/// A fraction in percent.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
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
        score.add(&[0.0, 1.0, 1.0, 0.0], 2, Some(&[1, 1]), Some(&[0.0, 2.0, 0.5, 1.0]));
        assert_eq!((score.labelled, score.right), (2, 1));
        assert_eq!((score.compared, score.agreed), (2, 1));
        assert_eq!((score.other_labelled, score.other_right), (2, 2));
        assert_eq!(score.max_error, 1.0);
        assert_eq!(score.mean_error(), (0.0 + 1.0 + 0.5 + 1.0) / 4.0);
    }

    #[test]
    fn what_is_about_something_else_is_left_out() {
        let mut score = Score::default();
        score.add(&[0.0, 1.0], 2, Some(&[1, 1]), Some(&[0.0]));
        assert_eq!(score, Score::default());
    }
}
