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
        known: Known::Float,
        why: "a guarded function is recognised as the function without its guard",
        cases: &[
            "random_041",
            "random_072",
            "random_073",
            "random_076",
            "random_124",
            "random_159",
            "random_166",
            "random_174",
            "random_184",
            "random_197",
            "random_239",
            "random_240",
            "random_259",
            "random_304",
            "random_332",
            "random_366",
            "random_370",
            "random_376",
        ],
    },
    Exception {
        known: Known::Float,
        why: "halves are rounded up, not to the even neighbour",
        cases: &["round"],
    },
    Exception {
        known: Known::Float,
        why: "a remainder by an infinity",
        cases: &[
            "mod_float_edge_cases_fmod_0_float16_const",
            "mod_float_edge_cases_fmod_0_float32_const",
            "mod_float_edge_cases_fmod_0_float64_const",
        ],
    },
    Exception {
        known: Known::Integer,
        why: "a division of integers is not truncated",
        cases: &[
            "div_int8_const",
            "div_int16_const",
            "div_int32_trunc_const",
            "div_uint8_const",
            "div_uint16_const",
            "div_uint32_const",
            "div_uint64_const",
            "random_011",
            "random_099",
            "random_119",
            "random_123",
            "random_147",
            "random_175",
            "random_179",
            "random_191",
            "random_199",
            "random_203",
            "random_211",
            "random_291",
            "random_339",
            "random_375",
            "random_383",
        ],
    },
    Exception { known: Known::Integer, why: "a mean of integers is not truncated", cases: &["random_195"] },
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
        known: Known::Integer,
        why: "a least bound beyond the greatest one",
        cases: &["clip_min_greater_than_max"],
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
            "random_132",
            "random_134",
            "random_152",
            "random_209",
            "random_300",
            "random_308",
            "random_349",
            "random_356",
            "random_360",
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
