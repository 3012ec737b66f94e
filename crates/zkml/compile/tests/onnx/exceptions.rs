//! Cases that are accepted and not right. A test checks that each still fails as it says here, so that a fault that is
//! mended is struck off.

/// What is known of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The float model computes another function.
    Float,
    /// The float model is right; the integer graph computes another function.
    Integer,
    /// The integer graph computes the function with more error than the judge accepts.
    Coarse,
}

/// Cases that fail for one reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exception {
    /// How they fail.
    pub(crate) known: Known,
    /// Why.
    pub(crate) why: &'static str,
    /// Their names.
    pub(crate) cases: &'static [&'static str],
}

/// All exceptions.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        known: Known::Integer,
        why: "an integer of more bits than an activation has is rounded",
        cases: &["random_031"],
    },
    Exception {
        known: Known::Integer,
        why: "a bound is rounded to the integers that it is compared with",
        cases: &["random_315"],
    },
    Exception {
        known: Known::Coarse,
        why: "a reciprocal, root or logarithm is steep where its rounded argument is small",
        cases: &[
            "random_017",
            "random_054",
            "random_057",
            "random_060",
            "random_064",
            "random_076",
            "random_124",
            "random_132",
            "random_134",
            "random_152",
            "random_197",
            "random_209",
            "random_239",
            "random_259",
            "random_292",
            "random_300",
            "random_304",
            "random_308",
            "random_332",
            "random_349",
            "random_356",
            "random_360",
            "random_366",
        ],
    },
    Exception {
        known: Known::Coarse,
        why: "the sum of exponentials, as a file without ReduceLogSumExp has it, spans more than its bits",
        cases: &[
            "reduce_log_sum_exp_do_not_keepdims_example_expanded",
            "reduce_log_sum_exp_do_not_keepdims_random_expanded",
            "reduce_log_sum_exp_keepdims_example_expanded",
            "reduce_log_sum_exp_keepdims_random_expanded",
            "reduce_log_sum_exp_negative_axes_keepdims_example_expanded",
            "reduce_log_sum_exp_negative_axes_keepdims_random_expanded",
        ],
    },
    Exception {
        known: Known::Coarse,
        why: "rows of small numbers beside one of large numbers share their scale",
        cases: &[
            "softmax_large_number",
            "softmax_large_number_expanded",
            "softmax_large_number_expanded_ver18",
            "logsoftmax_large_number",
            "logsoftmax_large_number_expanded",
            "logsoftmax_large_number_expanded_ver18",
        ],
    },
    Exception {
        known: Known::Coarse,
        why: "a scale that suits most elements lets the greatest saturate",
        cases: &["averagepool_3d_default"],
    },
];

/// What is known of a case, and why it fails.
pub(crate) fn known(case: &str) -> Option<(Known, &'static str)> {
    let exception = EXCEPTIONS.iter().find(|exception| exception.cases.contains(&case))?;
    Some((exception.known, exception.why))
}
