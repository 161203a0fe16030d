//! Baselines for the time of a map: existing tools, and the minimal work.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use liblzma::read::XzDecoder;
use liblzma::stream::Stream;
use object::elf;

use super::measure::{Run, run};

/// One of this many modules is given to `nm`.
pub(crate) const SAMPLE: usize = 16;

/// `nm` of every 16th module, one by one, extrapolated to all. `None` without `nm`.
pub(crate) fn nm(modules: &[PathBuf]) -> Option<Run> {
    Command::new("nm").arg("--version").stdout(Stdio::null()).status().ok()?;
    let zero = Run { time: Duration::ZERO, cpu: Duration::ZERO, memory: 0 };
    let (mut sum, mut count) = (zero, 0);
    for module in modules.iter().step_by(SAMPLE) {
        let one = run("nm", &[module]);
        (sum.time, sum.cpu) = (sum.time + one.time, sum.cpu + one.cpu);
        sum.memory = sum.memory.max(one.memory);
        count += 1;
    }
    let all = modules.len() as f64 / f64::from(count.max(1));
    Some(Run { time: sum.time.mul_f64(all), cpu: sum.cpu.mul_f64(all), ..sum })
}

/// Distributes the files over threads dynamically.
pub(crate) fn share(threads: usize, files: &[PathBuf], work: impl Fn(&Path, &mut Vec<u8>) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffer = Vec::new();
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(file, &mut buffer);
                }
            });
        }
    });
}

/// Reads header, section headers, symbol table and its strings of an ELF file of 64 bits, little
/// endian, and any other file whole; all into one piece of memory.
pub(crate) fn read_tables(path: &Path, buffer: &mut Vec<u8>) {
    let mut file = File::open(path).unwrap();
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0).unwrap();
    if !head.starts_with(b"\x7fELF\x02\x01") {
        buffer.clear();
        file.read_to_end(buffer).unwrap();
        return;
    }
    let word = |bytes: &[u8], at: usize| {
        usize::try_from(u64::from_le_bytes(*bytes[at..].first_chunk().unwrap())).unwrap()
    };
    let count = u16::from_le_bytes([head[60], head[61]]);
    let mut headers = vec![0; 64 * usize::from(count)];
    file.read_exact_at(&mut headers, word(&head, 40) as u64).unwrap();
    let headers: Vec<&[u8]> = headers.chunks_exact(64).collect();
    let number =
        |header: &[u8], at: usize| u32::from_le_bytes(*header[at..].first_chunk().unwrap());
    let symtab = headers.iter().find(|h| number(h, 4) == elf::SHT_SYMTAB.0).unwrap();
    let strings = headers[number(symtab, 40) as usize];
    for table in [symtab, strings] {
        let size = word(table, 32);
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
        file.read_exact_at(&mut buffer[..size], word(table, 24) as u64).unwrap();
    }
}

/// Reads the same, and decompresses a boot image with zstd.
pub(crate) fn read_and_unpack(path: &Path, buffer: &mut Vec<u8>) {
    read_tables(path, buffer);
    if path.extension().is_some() {
        return;
    }
    // The program before the kernel may have these bytes, too.
    let starts = memchr::memmem::find_iter(buffer, b"\x28\xb5\x2f\xfd");
    let unpack = |at: usize| {
        let stream = zstd::Decoder::new(&buffer[at..])?;
        io::copy(&mut stream.single_frame(), &mut io::sink())
    };
    assert!(starts.map(unpack).any(|size| size.is_ok_and(|size| size > 1 << 20)));
}

/// Decompresses a file with liblzma and keeps nothing; any other is read.
pub(crate) fn decompress(path: &Path, buffer: &mut Vec<u8>) {
    buffer.clear();
    File::open(path).unwrap().read_to_end(buffer).unwrap();
    if path.extension().is_some_and(|end| end == "xz") {
        io::copy(&mut decoder(buffer), &mut io::sink()).unwrap();
    }
}

/// The stream of a file in memory.
pub(crate) fn decoder(bytes: &[u8]) -> XzDecoder<&[u8]> {
    XzDecoder::new_stream(bytes, Stream::new_stream_decoder(u64::MAX, 0).unwrap())
}

/// All files below a folder whose names end in `end`.
pub(crate) fn below(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(below(&path, end));
        } else if path.to_str().is_some_and(|name| name.ends_with(end)) {
            found.push(path);
        }
    }
    found.sort();
    found
}
