//! The signature at the end of the file, which is checked before anything else.
//!
//! Only the kernel's keys can verify a signature, but its form is checked here: the kernel refuses
//! what is not a PKCS#7 message even where signatures are not required. Sources:
//! `kernel/module/signing.c:module_sig_check`, `mod_verify_sig`,
//! `kernel/module_signature.c:mod_check_sig`, `crypto/asymmetric_keys/pkcs7.asn1`,
//! `lib/asn1_decoder.c`.

use klp_arch::{Errno, KernelError};

use super::TargetKernel;
use crate::elf::{SIGNATURE_INFO_LEN, SIGNATURE_MARKER, SIGNATURE_PKCS7};
use crate::findings::{Finding, Stage};

/// Longest message that the decoder accepts, in bytes.
const MESSAGE_MAX: usize = 0xffff;
/// 1.2.840.113549.1.7.2, `signedData`.
const SIGNED_DATA: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 7, 2];

/// Tags of `INTEGER`, `OBJECT IDENTIFIER`, `SEQUENCE`, `SET`, and `[0]` to `[3]`.
const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const TAGGED: [u8; 4] = [0xa0, 0xa1, 0xa2, 0xa3];

/// Checks the signature of a whole file (`module_sig_check`). A module that is unsigned, signed
/// with an unknown key or with another kind of signature loads unless `module.sig_enforce` is set,
/// which no source shows.
pub(super) fn check(data: &[u8], kernel: &TargetKernel) -> Result<(), Finding> {
    let Some(rest) = data.strip_suffix(SIGNATURE_MARKER).filter(|rest| !rest.is_empty()) else {
        return Ok(());
    };
    if !kernel.checks_signatures {
        return Ok(());
    }
    verify(rest).map_err(|kernel| Finding::refused(Stage::Signature, kernel))
}

fn verify(rest: &[u8]) -> Result<(), KernelError> {
    let bad = |message: &str| Err(KernelError { errno: Errno::EBADMSG, message: message.into() });
    let (body, info) = match rest.split_last_chunk::<SIGNATURE_INFO_LEN>() {
        Some((body, info)) if !body.is_empty() => (body, info),
        _ => return bad(""),
    };
    let [algorithm, hash, kind, signer, key, pad @ .., a, b, c, d] = *info;
    let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let Some(start) = body.len().checked_sub(len).filter(|start| *start != 0) else {
        return bad("");
    };
    if kind != SIGNATURE_PKCS7 {
        return Ok(());
    }
    if [algorithm, hash, signer, key].iter().chain(&pad).any(|&byte| byte != 0) {
        return bad("module: PKCS#7 signature info has unexpected non-zero params");
    }
    let message = body.get(start..).unwrap_or_default();
    if message.len() > MESSAGE_MAX {
        return Err(KernelError { errno: Errno::EMSGSIZE, message: String::new() });
    }
    if is_message(message) != Some(false) { Ok(()) } else { bad("") }
}

/// Whether bytes have the outer structure of a PKCS#7 message; `None` for an indefinite length,
/// which is not followed.
fn is_message(bytes: &[u8]) -> Option<bool> {
    // What follows the message is ignored.
    let content = match element(bytes) {
        Ok((SEQUENCE, content, _)) => content,
        other => return known(&other),
    };
    let (kind, rest) = match element(content) {
        Ok((OID, kind, rest)) => (kind, rest),
        other => return known(&other),
    };
    if kind != SIGNED_DATA {
        return Some(false);
    }
    let signed = match element(rest) {
        Ok((tag, signed, [])) if tag == TAGGED[0] => signed,
        other => return known(&other),
    };
    let mut rest = match element(signed) {
        Ok((SEQUENCE, data, [])) => data,
        other => return known(&other),
    };
    // version, digestAlgorithms, contentInfo, certificates, crls, signerInfos.
    let fields: [(&[u8], bool); 6] = [
        (&[INTEGER], true),
        (&[SET, SEQUENCE], true),
        (&[SEQUENCE], true),
        (&[TAGGED[0], TAGGED[2]], false),
        (&[TAGGED[1], TAGGED[3]], false),
        (&[SET, SEQUENCE], true),
    ];
    for (tags, needed) in fields {
        let next = element(rest);
        match next {
            Ok((tag, _, after)) if tags.contains(&tag) => rest = after,
            Err(Length::Indefinite) => return None,
            _ if needed => return Some(false),
            _ => {}
        }
    }
    Some(rest.is_empty())
}

/// Why an element cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// Its length is indefinite: an end marker follows its contents.
    Indefinite,
    /// It is truncated, or has a tag or length that the decoder does not know.
    Wrong,
}

/// Tag, contents, and what follows.
type Element<'b> = Result<(u8, &'b [u8], &'b [u8]), Length>;

fn known(element: &Element<'_>) -> Option<bool> {
    if *element == Err(Length::Indefinite) { None } else { Some(false) }
}

/// Reads the element at the start (`asn1_ber_decoder`): a tag of one byte, a length of at most two.
fn element(bytes: &[u8]) -> Element<'_> {
    let (&[tag, first], rest) = bytes.split_first_chunk().ok_or(Length::Wrong)?;
    if tag & 0x1f == 0x1f {
        return Err(Length::Wrong);
    }
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x80 => return Err(Length::Indefinite),
        0x81 => {
            let (&len, rest) = rest.split_first().ok_or(Length::Wrong)?;
            (usize::from(len), rest)
        }
        0x82 => {
            let (&len, rest) = rest.split_first_chunk().ok_or(Length::Wrong)?;
            (usize::from(u16::from_be_bytes(len)), rest)
        }
        _ => return Err(Length::Wrong),
    };
    let (content, rest) = rest.split_at_checked(len).ok_or(Length::Wrong)?;
    Ok((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &len, content].concat()
    }

    /// A message of signed data with these parts in it.
    fn message(parts: &[Vec<u8>]) -> Vec<u8> {
        let data = wrap(SEQUENCE, &parts.concat());
        let content = [wrap(OID, SIGNED_DATA), wrap(0xa0, &data)].concat();
        wrap(SEQUENCE, &content)
    }

    fn parts() -> Vec<Vec<u8>> {
        let algorithms = wrap(SET, &[]);
        let content = wrap(SEQUENCE, &wrap(OID, &[42, 134, 72, 134, 247, 13, 1, 7, 1]));
        vec![wrap(INTEGER, &[1]), algorithms, content, wrap(SET, &wrap(SEQUENCE, &[]))]
    }

    fn checked(message: &[u8], kind: u8, len: usize) -> Result<(), Finding> {
        let mut file = [&[0x55; 100], message].concat();
        file.extend([0, 0, kind, 0, 0, 0, 0, 0]);
        file.extend(u32::try_from(len).unwrap().to_be_bytes());
        file.extend(SIGNATURE_MARKER);
        let kernel = TargetKernel::newest(klp_arch::machines()[0]);
        check(&file, &kernel)?;
        check(&file, &TargetKernel { checks_signatures: false, ..kernel })
    }

    fn errno(message: &[u8]) -> Option<Errno> {
        let error = checked(message, SIGNATURE_PKCS7, message.len()).err()?;
        error.kernel.map(|kernel| kernel.errno)
    }

    #[test]
    fn a_signature_by_any_key_is_accepted() {
        assert_eq!(errno(&message(&parts())), None);
        let mut with_certificates = parts();
        with_certificates.insert(3, wrap(0xa0, b"anything"));
        assert_eq!(errno(&message(&with_certificates)), None);
        assert_eq!(errno(&[message(&parts()), vec![0; 9]].concat()), None);
        // Indefinite lengths are not followed.
        assert_eq!(errno(b"\x30\x80\x06\x01\x00\x00\x00"), None);
    }

    #[test]
    fn what_is_not_a_signed_message_is_refused() {
        assert_eq!(errno(&[0xa5; 256]), Some(Errno::EBADMSG));
        assert_eq!(errno(b"0"), Some(Errno::EBADMSG));
        let whole = message(&parts());
        for len in 1..whole.len() {
            assert_eq!(errno(&whole[..len]), Some(Errno::EBADMSG), "{len}");
        }
        for missing in 0..4 {
            let mut some = parts();
            some.remove(missing);
            assert_eq!(errno(&message(&some)), Some(Errno::EBADMSG), "{missing}");
        }
        let other = wrap(SEQUENCE, &wrap(OID, &[42, 134, 72, 134, 247, 13, 1, 7, 1]));
        assert_eq!(errno(&other), Some(Errno::EBADMSG));
        assert_eq!(errno(&vec![0x30; 0x1_0000]), Some(Errno::EMSGSIZE));
    }

    #[test]
    fn a_length_beyond_the_file_is_refused_and_another_kind_is_an_unsigned_module() {
        let whole = message(&parts());
        let refused = |kind, len| checked(&whole, kind, len).is_err();
        assert!(refused(2, whole.len() + 100) && refused(0, whole.len() + 101));
        assert!(!refused(2, whole.len()) && !refused(0, 9) && !refused(1, whole.len()));
    }

    #[test]
    fn a_kernel_without_signatures_does_not_check() {
        let kernel = TargetKernel::newest(klp_arch::machines()[0]);
        let file = [&[0xa5; 200], SIGNATURE_MARKER].concat();
        assert!(check(&file, &kernel).is_err());
        assert_eq!(
            check(&file, &TargetKernel { checks_signatures: false, ..kernel.clone() }),
            Ok(())
        );
        assert_eq!(check(&file[..200], &kernel), Ok(()));
        assert_eq!(check(SIGNATURE_MARKER, &kernel), Ok(()));
    }
}
