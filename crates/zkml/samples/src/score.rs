//! How good a model's answers are: what an output is, and so how its distance from another model's counts.

use std::str::FromStr;

/// Greatest error of rows of class scores that agree: root mean square, as a share of the row's standard
/// deviation. The greatest entry alone would call two rows equal that have nothing else in common.
const SCORES_ERROR: f64 = 0.25;
/// Least cosine of embeddings that agree.
const EMBEDDING_COSINE: f64 = 0.99;
/// Least peak signal-to-noise ratio of images that agree, in decibels.
const IMAGE_PSNR: f64 = 30.0;
/// What the ratio of equal images counts as, in decibels.
const EQUAL_PSNR: f64 = 100.0;
/// Greatest error of a value that agrees, as a share of the range.
const VALUE_ERROR: f64 = 0.01;

/// What an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutputKind {
    /// Scores or probabilities of classes along the last axis.
    Classes,
    /// Scores of a language model's tokens along the last axis.
    Tokens,
    /// Integers: counts, indices, labels.
    Integers,
    /// Real numbers, each for itself.
    Values,
    /// Vectors along the last axis that stand for something: their direction counts.
    Embedding,
    /// A map over two or more spatial axes, compared as a whole.
    Image,
}

impl OutputKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Classes, Self::Tokens, Self::Integers, Self::Values, Self::Embedding, Self::Image];

    /// Its name, as [`OutputKind::from_str`] reads it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classes => "classes",
            Self::Tokens => "tokens",
            Self::Integers => "integers",
            Self::Values => "values",
            Self::Embedding => "embedding",
            Self::Image => "image",
        }
    }

    /// When rows of it agree.
    #[must_use]
    pub const fn criterion(self) -> &'static str {
        match self {
            Self::Classes | Self::Tokens => "top-1",
            Self::Integers => "exact",
            Self::Values => "within 1 % of the range",
            Self::Embedding => "cosine of 0.99 or more",
            Self::Image => "30 dB or more",
        }
    }

    /// What an output probably is. `shape` has the batch axis, `name` is the output's, `normalised` says
    /// whether its last axis is a probability distribution, `labelled` whether there are labels for its rows.
    #[must_use]
    pub fn guess(name: &str, shape: &[usize], integer: bool, normalised: bool, labelled: bool) -> Self {
        let last = shape.last().copied().unwrap_or(1);
        let spatial = shape.iter().skip(2).filter(|&&extent| extent > 1).count();
        let name = name.to_lowercase();
        if integer {
            Self::Integers
        } else if last < 2 {
            Self::Values
        } else if labelled || normalised || shape.len() <= 2 {
            Self::Classes
        } else if name.contains("logits") {
            Self::Tokens
        } else if shape.len() >= 4 && spatial >= 2 {
            Self::Image
        } else {
            Self::Embedding
        }
    }
}

impl FromStr for OutputKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            format!("expected one of {}, got {text:?}", names.join(", "))
        })
    }
}

/// Least and greatest of the numbers that errors are relative to; what is not finite is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    low: f64,
    high: f64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { low: f64::INFINITY, high: f64::NEG_INFINITY }
    }
}

impl Spread {
    /// Takes numbers in.
    pub fn include(&mut self, values: &[f32]) {
        for value in values.iter().copied().map(f64::from).filter(|value| value.is_finite()) {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
    }

    /// Distance of the least from the greatest number; the magnitude of numbers that are all the same, and 1
    /// if they are all zero.
    #[must_use]
    pub fn range(self) -> f64 {
        let range = self.high - self.low;
        let magnitude = self.magnitude();
        match (range > 0.0, magnitude > 0.0) {
            (true, _) => range,
            (false, true) => magnitude,
            (false, false) => 1.0,
        }
    }

    /// Greatest magnitude; zero if there were no numbers.
    #[must_use]
    pub fn magnitude(self) -> f64 {
        if self.low > self.high { 0.0 } else { self.low.abs().max(self.high.abs()) }
    }
}

/// Agreement of many samples of one output with labels and with another model's.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    kind: OutputKind,
    /// Elements of the last axis.
    last: usize,
    range: f64,
    /// Rows compared with a label.
    pub labelled: u64,
    /// Rows whose class was the label.
    pub right: u64,
    /// Rows that were compared with the other model's.
    pub compared: u64,
    /// Rows in which both models agree.
    pub agreed: u64,
    /// Rows for which both labels and the other model's outputs were there.
    pub other_labelled: u64,
    /// Rows whose class was right in the other model.
    pub other_right: u64,
    /// Greatest distance between an output and the other model's.
    pub max_error: f64,
    /// Elements that are NaN or infinite in one of the models: they never agree, and have no distance.
    pub not_finite: u64,
    error_sum: f64,
    errors: u64,
    detail_sum: f64,
    details: u64,
}

impl Score {
    /// A score of an output of this kind with `last` elements along its last axis, whose values in the other
    /// model are spread over `range`.
    #[must_use]
    pub fn new(kind: OutputKind, last: usize, range: f64) -> Self {
        Self {
            kind,
            last: last.max(1),
            range,
            labelled: 0,
            right: 0,
            compared: 0,
            agreed: 0,
            other_labelled: 0,
            other_right: 0,
            max_error: 0.0,
            not_finite: 0,
            error_sum: 0.0,
            errors: 0,
            detail_sum: 0.0,
            details: 0,
        }
    }

    /// What the output is taken for.
    #[must_use]
    pub const fn kind(&self) -> OutputKind {
        self.kind
    }

    /// Counts one sample: its output, labels, one for each row of the last axis, and the other model's
    /// output.
    ///
    /// Labels of another number than rows, and other outputs of another length, are not counted: they are
    /// about something else.
    pub fn count(&mut self, own: &[f32], labels: Option<&[i64]>, other: Option<&[f32]>) {
        let other = other.filter(|other| other.len() == own.len());
        let labels = labels.filter(|labels| labels.len() == own.len() / self.last);
        for (row, &label) in own.chunks_exact(self.last).zip(labels.into_iter().flatten()) {
            self.labelled += 1;
            self.right += u64::from(class_of(row) == label);
        }
        let Some(other) = other else { return };
        for (row, &label) in other.chunks_exact(self.last).zip(labels.into_iter().flatten()) {
            self.other_labelled += 1;
            self.other_right += u64::from(class_of(row) == label);
        }
        self.measure(own, other);
        let row = match self.kind {
            OutputKind::Values | OutputKind::Integers => 1,
            OutputKind::Image => own.len().max(1),
            OutputKind::Classes | OutputKind::Tokens | OutputKind::Embedding => self.last,
        };
        for (place, (own, other)) in own.chunks_exact(row).zip(other.chunks_exact(row)).enumerate() {
            self.compared += 1;
            let label = labels.filter(|_| row == self.last).map(|labels| labels[place]);
            let finite = own.iter().chain(other).all(|value| value.is_finite());
            self.agreed += u64::from(finite && self.agree(own, other, label));
        }
    }

    fn measure(&mut self, own: &[f32], other: &[f32]) {
        for (&own, &other) in own.iter().zip(other) {
            let error = (f64::from(own) - f64::from(other)).abs();
            if error.is_finite() {
                self.max_error = self.max_error.max(error);
                self.error_sum += error;
                self.errors += 1;
            } else {
                self.not_finite += 1;
            }
        }
    }

    /// Whether rows of finite numbers agree; `label` is the row's, if it has one.
    fn agree(&mut self, own: &[f32], other: &[f32], label: Option<i64>) -> bool {
        match self.kind {
            OutputKind::Classes => same_scores(own, other),
            OutputKind::Tokens => {
                let surprise = match label {
                    Some(label) => surprise(own, label) - surprise(other, label),
                    None => divergence(other, own),
                };
                self.detail(surprise);
                same_scores(own, other)
            }
            OutputKind::Integers => own == other,
            OutputKind::Values => own
                .iter()
                .zip(other)
                .all(|(&own, &other)| (f64::from(own) - f64::from(other)).abs() <= VALUE_ERROR * self.range),
            OutputKind::Embedding => {
                let cosine = cosine(own, other);
                self.detail(cosine.unwrap_or(1.0));
                cosine.is_none_or(|cosine| cosine >= EMBEDDING_COSINE)
            }
            OutputKind::Image => {
                let psnr = psnr(own, other, self.range);
                self.detail(psnr);
                psnr >= IMAGE_PSNR
            }
        }
    }

    fn detail(&mut self, value: f64) {
        self.detail_sum += value;
        self.details += 1;
    }

    /// Share of rows that agree; 1 if none was compared.
    #[must_use]
    pub fn agreement(&self) -> f64 {
        if self.compared == 0 { 1.0 } else { self.agreed as f64 / self.compared as f64 }
    }

    /// Mean distance between an output and the other model's.
    #[must_use]
    pub fn mean_error(&self) -> f64 {
        self.error_sum / self.errors.max(1) as f64
    }

    /// The measure that belongs to the kind beside the share of rows: its name and its mean. For tokens it
    /// is the factor by which perplexity is above the other model's (of the labels, or without them of what
    /// the other model expects), for embeddings the
    /// cosine, for images the peak signal-to-noise ratio in decibels, for values the error as a share of the
    /// range.
    #[must_use]
    pub fn detail_measured(&self) -> Option<(&'static str, f64)> {
        let mean = self.detail_sum / self.details.max(1) as f64;
        match self.kind {
            OutputKind::Values if self.errors > 0 => Some(("error_of_range", self.mean_error() / self.range)),
            OutputKind::Tokens if self.details > 0 => Some(("perplexity_factor", mean.exp())),
            OutputKind::Embedding if self.details > 0 => Some(("cosine", mean)),
            OutputKind::Image if self.details > 0 => Some(("psnr_db", mean)),
            _ => None,
        }
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

/// Whether two rows of scores name the same class, and are near each other.
fn same_scores(own: &[f32], other: &[f32]) -> bool {
    let mean = other.iter().copied().map(f64::from).sum::<f64>() / other.len().max(1) as f64;
    let spread: f64 = other.iter().map(|&other| (f64::from(other) - mean).powi(2)).sum();
    let error: f64 = squares(own, other).sum();
    class_of(own) == class_of(other) && error <= SCORES_ERROR * SCORES_ERROR * spread
}

/// The squared distances of two rows' entries.
fn squares(own: &[f32], other: &[f32]) -> impl Iterator<Item = f64> {
    own.iter().zip(other).map(|(&own, &other)| (f64::from(own) - f64::from(other)).powi(2))
}

/// The cosine of two vectors; `None` if both are zero, and 0 if one is.
fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let norm = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let product: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    match (norm(a), norm(b)) {
        (0.0, 0.0) => None,
        (0.0, _) | (_, 0.0) => Some(0.0),
        (a, b) => Some(product / (a * b)),
    }
}

/// The logarithm of the sum of the exponentials of a row's scores.
fn log_sum(row: &[f32]) -> f64 {
    let most = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    most + row.iter().map(|&score| (f64::from(score) - most).exp()).sum::<f64>().ln()
}

/// Negative log-likelihood, in nats, of a label under a row of scores; that of the rarest class if there is
/// no such label.
fn surprise(row: &[f32], label: i64) -> f64 {
    let score = usize::try_from(label).ok().and_then(|label| row.get(label).copied());
    log_sum(row) - f64::from(score.unwrap_or_else(|| row.iter().copied().fold(f32::INFINITY, f32::min)))
}

/// The Kullback-Leibler divergence, in nats, of the distribution that `from` scores to that which `to` does.
fn divergence(from: &[f32], to: &[f32]) -> f64 {
    let (all_from, all_to) = (log_sum(from), log_sum(to));
    from.iter()
        .zip(to)
        .map(|(&from, &to)| {
            let (from, to) = (f64::from(from) - all_from, f64::from(to) - all_to);
            from.exp() * (from - to)
        })
        .sum()
}

/// Peak signal-to-noise ratio in decibels, with the range as the peak.
fn psnr(own: &[f32], other: &[f32], range: f64) -> f64 {
    let noise = squares(own, other).sum::<f64>() / own.len().max(1) as f64;
    if noise > 0.0 { (10.0 * (range * range / noise).log10()).min(EQUAL_PSNR) } else { EQUAL_PSNR }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(kind: OutputKind, last: usize, own: &[f32], other: &[f32]) -> f64 {
        let mut spread = Spread::default();
        spread.include(other);
        let mut score = Score::new(kind, last, spread.range());
        score.count(own, None, Some(other));
        score.agreement()
    }

    #[test]
    fn ties_go_to_the_first_class() {
        assert_eq!(class_of(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(class_of(&[7.0]), 7);
    }

    #[test]
    fn rows_are_counted_once() {
        let mut score = Score::new(OutputKind::Classes, 2, 2.0);
        score.count(&[0.0, 1.9, 1.0, 0.0], Some(&[1, 1]), Some(&[0.0, 2.0, 0.5, 1.0]));
        assert_eq!((score.labelled, score.right), (2, 1));
        assert_eq!((score.compared, score.agreed), (2, 1));
        assert_eq!((score.other_labelled, score.other_right), (2, 2));
        assert_eq!(score.max_error, 1.0);
        assert!((score.mean_error() - (0.0 + 0.1 + 0.5 + 1.0) / 4.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_about_something_else_is_left_out() {
        let mut score = Score::new(OutputKind::Classes, 2, 1.0);
        score.count(&[0.0, 1.0], Some(&[1, 1]), Some(&[0.0]));
        assert_eq!(score, Score::new(OutputKind::Classes, 2, 1.0));
    }

    #[test]
    fn scores_with_the_same_greatest_entry_and_nothing_else_do_not_agree() {
        let float = [9.0, 1.0, 8.0, -7.0, 3.0];
        assert_eq!(agreement(OutputKind::Classes, 5, &[8.9, 1.1, 7.9, -7.2, 3.0], &float), 1.0);
        assert_eq!(agreement(OutputKind::Classes, 5, &[9.0, 8.0, -7.0, 1.0, -7.0], &float), 0.0);
    }

    #[test]
    fn values_are_counted_one_by_one() {
        assert_eq!(agreement(OutputKind::Values, 4, &[0.0, 5.2, 9.95, 10.0], &[0.0, 5.0, 10.0, 10.0]), 0.75);
        // The only value there is: errors are relative to its magnitude.
        assert_eq!(agreement(OutputKind::Values, 1, &[0.994], &[1.0]), 1.0);
        assert_eq!(agreement(OutputKind::Values, 1, &[0.98], &[1.0]), 0.0);
        assert_eq!(agreement(OutputKind::Integers, 2, &[2.0, 3.0], &[2.0, 4.0]), 0.5);
    }

    #[test]
    fn embeddings_are_judged_by_direction_and_images_by_noise() {
        let direction = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(agreement(OutputKind::Embedding, 4, &[2.0, 4.0, 6.0, 8.0], &direction), 1.0);
        assert_eq!(agreement(OutputKind::Embedding, 4, &[1.0, 2.0, 3.0, -4.0], &direction), 0.0);
        assert_eq!(agreement(OutputKind::Embedding, 4, &[0.0; 4], &direction), 0.0);
        let image: Vec<f32> = (0..64).map(|pixel| pixel as f32).collect();
        let noisy = |noise: f32| -> Vec<f32> { image.iter().map(|pixel| pixel + noise).collect() };
        assert_eq!(agreement(OutputKind::Image, 8, &noisy(1.0), &image), 1.0);
        assert_eq!(agreement(OutputKind::Image, 8, &noisy(3.0), &image), 0.0);
    }

    #[test]
    fn a_language_model_s_perplexity_grows_by_the_divergence() {
        let mut score = Score::new(OutputKind::Tokens, 2, 1.0);
        score.count(&[0.0, 0.0], None, Some(&[3f32.ln(), 0.0]));
        // Three quarters and a quarter, held for halves.
        let divergence = 0.75 * (0.75_f64 / 0.5).ln() + 0.25 * (0.25_f64 / 0.5).ln();
        let (name, factor) = score.detail_measured().unwrap_or_default();
        assert_eq!(name, "perplexity_factor");
        assert!((factor - divergence.exp()).abs() < 1e-6, "{factor}");
        // With a label, what counts is how much likelier it was.
        let mut score = Score::new(OutputKind::Tokens, 2, 1.0);
        score.count(&[0.0, 0.0], Some(&[0]), Some(&[3f32.ln(), 0.0]));
        let (_, factor) = score.detail_measured().unwrap_or_default();
        assert!((factor - 0.75 / 0.5).abs() < 1e-6, "{factor}");
    }

    #[test]
    fn nan_agrees_with_nothing() {
        for kind in OutputKind::ALL {
            assert!(agreement(kind, 2, &[f32::NAN, 1.0], &[f32::NAN, 1.0]) < 1.0, "{kind:?}");
            assert!(agreement(kind, 2, &[1.0, 2.0], &[f32::NAN, 2.0]) < 1.0, "{kind:?}");
            assert!(agreement(kind, 2, &[1.0, f32::INFINITY], &[1.0, f32::INFINITY]) < 1.0, "{kind:?}");
        }
    }

    #[test]
    fn kinds_are_guessed_from_what_is_known() {
        let guess = |name: &str, shape: &[usize]| OutputKind::guess(name, shape, false, false, false);
        assert_eq!(guess("y", &[1, 10]), OutputKind::Classes);
        assert_eq!(guess("y", &[1, 1]), OutputKind::Values);
        assert_eq!(guess("y", &[]), OutputKind::Values);
        assert_eq!(guess("logits", &[1, 64, 65]), OutputKind::Tokens);
        assert_eq!(guess("last_hidden_state", &[1, 64, 65]), OutputKind::Embedding);
        assert_eq!(guess("y", &[1, 3, 16, 16]), OutputKind::Image);
        assert_eq!(OutputKind::guess("y", &[1, 3, 16, 16], true, false, false), OutputKind::Integers);
        assert_eq!(OutputKind::guess("y", &[1, 4, 8], false, true, false), OutputKind::Classes);
        assert_eq!(OutputKind::guess("y", &[1, 4, 8], false, false, true), OutputKind::Classes);
        for kind in OutputKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("picture".parse::<OutputKind>().is_err());
    }
}
