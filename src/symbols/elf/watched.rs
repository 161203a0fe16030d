//! A reader that remembers that the operating system could not read.
//!
//! Damage in a part of a file that a symbol can do without is passed over. A disk that fails there is
//! not damage: without this it would give an answer from half of the file.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

/// A reader, and its first error.
#[derive(Debug)]
pub(crate) struct Watched<R> {
    reader: R,
    failed: Option<Error>,
}

impl<R> Watched<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, failed: None }
    }

    /// The first error, once.
    ///
    /// # Errors
    /// That one.
    pub(super) fn intact(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    fn note<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && error.kind() != ErrorKind::Interrupted
            && self.failed.is_none()
        {
            let code = error.raw_os_error();
            self.failed = Some(code.map_or_else(|| error.kind().into(), Error::from_raw_os_error));
        }
        result
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.reader.read(buffer);
        self.note(read)
    }
}

impl<R: Seek> Seek for Watched<R> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = self.reader.seek(to);
        self.note(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails once, as a disk may.
    struct Failing(Option<ErrorKind>);

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> Result<usize> {
            self.0.take().map_or(Ok(0), |kind| Err(kind.into()))
        }
    }

    #[test]
    fn an_error_that_nobody_minds_is_remembered() {
        let mut watched = Watched::new(Failing(Some(ErrorKind::PermissionDenied)));
        assert!(watched.read(&mut [0]).is_err());
        assert_eq!(watched.read(&mut [0]).unwrap(), 0);
        assert_eq!(watched.intact().unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn an_interrupted_call_is_made_again_and_no_error() {
        let mut watched = Watched::new(Failing(Some(ErrorKind::Interrupted)));
        assert!(watched.read_to_end(&mut Vec::new()).is_ok());
        watched.intact().unwrap();
    }

    #[test]
    fn the_end_of_a_file_is_damage_and_no_error_of_reading() {
        let mut watched = Watched::new(Failing(None));
        assert!(watched.read_exact(&mut [0]).is_err());
        watched.intact().unwrap();
    }
}
