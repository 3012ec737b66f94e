//! Tests of the pallet: what each call checks, how tasks live and end, and attackers at random.
