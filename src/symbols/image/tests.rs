//! Small kernels in every layout, read back, and every error in them.

use proptest::prelude::*;

use super::fixture::{BASE, BUILD_ID, Built, Crcs, Gpl, LAYOUTS, Layout, Sample, Tables};
use super::*;

/// Every kernel that can be recognised: raw ones are little-endian, as on all machines.
fn samples() -> impl Iterator<Item = Sample> {
    LAYOUTS.into_iter().flat_map(|layout| {
        let elf = [false, true].map(|big| Sample::new(layout, big));
        let raw = Sample { raw: true, ..Sample::new(layout, false) };
        let based = matches!(layout, Layout::Before | Layout::BeforeAndOrdered | Layout::After);
        let percpu = Sample { percpu: true, ..Sample::new(layout, false) };
        elf.into_iter().chain([raw]).chain(based.then_some(percpu))
    })
}

fn found(kernel: &Kallsyms) -> Vec<(u64, u8, String)> {
    let own = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
    kernel.iter().map(|symbol| (symbol.address, symbol.letter, own(symbol.name))).collect()
}

#[test]
fn every_layout_is_read_in_either_byte_order() {
    for sample in samples() {
        let built = sample.build();
        let kernel = read(&built.bytes).unwrap_or_else(|error| panic!("{sample:?}: {error}"));
        assert_eq!(found(&kernel), built.symbols, "{sample:?}");
        assert_eq!(kernel.release.as_deref(), Some("6.1.0-test"));
        assert_eq!(kernel.build_id.as_deref(), Some(&BUILD_ID[..]));
        let endian = if sample.big { Endian::Big } else { Endian::Little };
        assert_eq!((kernel.endian, kernel.all), (endian, true));
        assert!(kernel.machine.is_some());
    }
}

#[test]
fn a_table_without_data_is_marked() {
    for sample in samples() {
        let functions = Sample { symbols: Vec::new(), lists: b't', ..sample }.build();
        assert!(!read(&functions.bytes).unwrap().all);
    }
}

#[test]
fn a_truncated_kernel_is_refused_or_complete() {
    for sample in samples() {
        let built = sample.build();
        for length in 0..built.bytes.len() {
            match read(&built.bytes[..length]) {
                Err(error) => assert!(!error.to_string().is_empty()),
                Ok(kernel) => {
                    assert!(sample.raw, "{sample:?} cut to {length}");
                    assert_eq!(found(&kernel), built.symbols);
                }
            }
        }
    }
}

/// Reads a kernel after changing the bytes of one table.
fn with(built: &Built, table: &str, change: impl Fn(&mut [u8])) -> Result<Kallsyms, ImageError> {
    let mut bytes = built.bytes.clone();
    change(&mut bytes[built.table(table)]);
    read(&bytes)
}

#[test]
fn wrong_tables_are_refused() {
    for sample in samples() {
        // Enough symbols for three markers.
        let many = (0..600).map(|n| (8, b't', format!("symbol_{n}")));
        let built = Sample { symbols: many.collect(), ..sample.clone() }.build();
        assert!(read(&built.bytes).is_ok());
        let refused = |table, at: usize, by: u8| {
            let read = with(&built, table, |bytes| bytes[at] = bytes[at].wrapping_add(by));
            let read = read.map(|kernel| kernel.len());
            assert!(read.is_err(), "{sample:?}: byte {at} of {table} is wrong: {read:?}");
        };
        for (table, range) in &built.tables {
            match *table {
                // Lengths are where the names are.
                "names" => refused(table, 0, 1),
                "num_syms" => (0..4).for_each(|at| refused(table, at, 3)),
                "markers" => (0..range.len()).for_each(|at| refused(table, at, 3)),
                "token_index" => (0..range.len()).step_by(29).for_each(|at| refused(table, at, 3)),
                "seqs" => (0..range.len()).step_by(113).for_each(|at| refused(table, at, 1)),
                _ => {}
            }
        }
        for table in ["offsets", "addresses"] {
            if built.tables.iter().any(|(name, _)| *name == table) {
                let read = with(&built, table, <[u8]>::reverse).map(|kernel| kernel.len());
                assert!(read.is_err(), "{sample:?}: {table} descend: {read:?}");
            }
        }
    }
}

#[test]
fn bytes_that_look_like_few_names_by_chance_are_skipped() {
    // The type of the note with the build-id, 3, is followed by three "names" up to the markers.
    let symbols = [
        (0, "aaaaa_aaa_ae"),
        (122, "zs_l_cgv_xb_lqki"),
        (835, "___f_h___dim_pujfz"),
        (1419, "d__i_ql_p___l"),
        (880, "_jy____z_____kkfxr"),
        (451, "_w_zf__rv"),
        (552, "__mc_n"),
        (1230, "kkp"),
        (1892, "_x_ap_g_d_"),
        (593, "p_m_b__lois"),
    ];
    let symbols = symbols.map(|(distance, name)| (distance, b't', name.to_owned())).to_vec();
    let built = Sample { raw: true, symbols, ..Sample::new(Layout::After, false) }.build();
    assert_eq!(found(&read(&built.bytes).unwrap()), built.symbols);
}

#[test]
fn a_base_without_evidence_is_an_error() {
    for layout in [Layout::Before, Layout::BeforeAndOrdered, Layout::After, Layout::SelfRelative] {
        let mut built = Sample { raw: true, ..Sample::new(layout, false) }.build();
        let end = built.tables.iter().map(|(_, range)| range.end).max().unwrap();
        built.bytes.truncate(end);
        let error = read(&built.bytes).unwrap_err();
        assert!(matches!(error, ImageError::NoBase), "{layout:?}: {error}");
    }
}

#[test]
fn pointers_that_disagree_give_no_base() {
    let mut built = Sample { raw: true, ..Sample::new(Layout::SelfRelative, false) }.build();
    let half = built.bytes.len() - 8 * 16;
    for pointer in built.bytes[half..].as_chunks_mut::<8>().0 {
        let other = u64::from_le_bytes(*pointer) + 0x10_0000;
        *pointer = other.to_le_bytes();
    }
    assert!(matches!(read(&built.bytes).unwrap_err(), ImageError::NoBase));
}

#[test]
fn what_is_not_an_image_is_named_by_its_first_bytes() {
    let text = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert_eq!(text(b""), "not a boot image: it starts with nothing");
    assert_eq!(text(b"hello"), "not a boot image: it starts with 68 65 6c 6c 6f");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_written_is_read(
        layout in prop::sample::select(&LAYOUTS[..]),
        big: bool,
        percpu: bool,
        symbols in prop::collection::vec(
            (0_u32..0x2000, prop::sample::select(&b"tTdDbBrRWV"[..]), "[a-zA-Z0-9_.$]{1,200}"),
            0..530,
        ),
    ) {
        let based = matches!(layout, Layout::Before | Layout::BeforeAndOrdered | Layout::After);
        let sample = Sample { layout, big, raw: false, percpu: percpu && based, lists: b'd', symbols, exports: None, sorted_by: |name| name };
        let built = sample.build();
        let kernel = read(&built.bytes).unwrap();
        prop_assert_eq!(found(&kernel), built.symbols);
    }

    #[test]
    fn a_raw_kernel_is_read_with_the_base_of_its_pointers(
        layout in prop::sample::select(&[Layout::Before, Layout::After, Layout::SelfRelative][..]),
        symbols in prop::collection::vec((0_u32..0x800, Just(b't'), "[a-z_]{1,20}"), 0..300),
    ) {
        let built = Sample { layout, big: false, raw: true, percpu: false, lists: b'd', symbols, exports: None, sorted_by: |name| name }.build();
        let kernel = read(&built.bytes).unwrap();
        prop_assert_eq!(kernel.iter().map(|symbol| symbol.address).min(), Some(BASE));
        prop_assert_eq!(found(&kernel), built.symbols);
    }

    #[test]
    fn a_changed_byte_does_not_panic(at: prop::sample::Index, to: u8, which in 0..40_usize) {
        let exporting = samples().zip([true, false].into_iter().cycle()).map(|(sample, relative)| {
            let gpl = if sample.big { Gpl::Flags } else { Gpl::Sections };
            Sample { exports: Some(Tables::new(relative, gpl, Crcs::Values)), ..sample }
        });
        let samples: Vec<_> = samples().chain(exporting).collect();
        let mut bytes = samples[which % samples.len()].build().bytes;
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(kernel) = read(&bytes) {
            prop_assert!(kernel.iter().is_sorted_by_key(|symbol| symbol.address));
        }
    }
}

#[test]
fn the_order_of_names_reveals_what_a_kernel_compares() {
    let read = |names: &[&str], sorted_by: fn(&str) -> &str| {
        let symbols = names.iter().map(|name| (24, b't', (*name).to_owned())).collect();
        let sample = Sample { symbols, sorted_by, ..Sample::new(Layout::After, false) };
        read(&sample.build().bytes).unwrap().compares
    };
    let whole: fn(&str) -> &str = |name| name;
    let before_mark: fn(&str) -> &str = |name| name.split(".llvm.").next().unwrap();
    let before_dot: fn(&str) -> &str = |name| name.split('.').next().unwrap();
    let names = ["f.llvm.1", "f.cold", "f", "g", "f.0"];
    assert_eq!(read(&names, whole), Some(Compares::Whole));
    assert_eq!(read(&names, before_mark), Some(Compares::BeforeMark));
    assert_eq!(read(&names, before_dot), Some(Compares::BeforeDot));
    // An order that fits several reveals nothing.
    for sorted_by in [whole, before_mark, before_dot] {
        assert_eq!(read(&["f", "g"], sorted_by), None);
    }
    assert_eq!(read(&["f", "f.llvm.1", "f.n"], whole), None);
}
