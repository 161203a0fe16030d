//! The generators of modules, driven by proptest: the same ones that fuzzing drives, and smaller counterexamples.

use klp_convert_fuzz::{broken, generated, records, tools};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_livepatch_loads_and_one_fault_has_its_verdict(bytes in vec(any::<u8>(), 0..48)) {
        broken::run(&bytes);
    }

    #[test]
    fn room_that_is_reserved_for_any_relocations_is_enough(bytes in vec(any::<u8>(), 0..160)) {
        generated::run(&bytes);
    }

    #[test]
    fn what_another_tool_has_not_finished_is_never_said_to_load(bytes in vec(any::<u8>(), 0..64)) {
        tools::run(&bytes);
    }

    #[test]
    fn records_of_other_tools_become_what_they_say_or_are_refused(bytes in vec(any::<u8>(), 0..96)) {
        records::run(&bytes);
    }
}
