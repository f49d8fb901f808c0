//! What foreign bytes reach, as functions of bytes. Each panics on a broken promise.

use crate::hash::{Digest, EnclaveKey, LogId};
use crate::record::{Record, What};
use crate::segment::{Frames, Header, mark_after};
use crate::verify::verify;
use crate::{Anchor, disk::Disk, disk::DiskFile};
use daas_types::ClusterId;
use std::io;

/// A segment of anyone's bytes: read to its end, which comes; records that are read are canonical.
pub fn segment(bytes: &[u8]) {
    let (index, start) = Header::parse(bytes).map_or((0, 0), |(header, start)| (header.index, start));
    let mut frames = Frames::new(bytes, index, start);
    while let Some(Ok(frame)) = frames.next() {
        assert!(frames.offset() <= bytes.len(), "a record ends beyond the file");
        record(frame.record);
    }
    mark_after(bytes, index, frames.offset());
}

/// Anyone's bytes as a record: refused, or the one encoding of what they say.
pub fn record(bytes: &[u8]) {
    if let Some(record) = Record::from_bytes(bytes) {
        assert_eq!(record.to_bytes(), bytes, "a record has two encodings");
    }
}

/// A log of one segment of anyone's bytes is verified; none of it may be what an anchor says.
pub fn log(bytes: &[u8]) {
    let (cluster, key) = Header::parse(bytes)
        .map_or((ClusterId([1; 32].into()), EnclaveKey([2; 32])), |(header, _)| (header.log.cluster, header.log.key));
    let anchor = Anchor { sequence: 1, records: 1, root: Digest([3; 32]) };
    let report = verify(&OneFile(bytes.to_vec()), LogId { cluster, key }, &[anchor]);
    assert!(report.is_ok_and(|report| !report.is_clean()), "a foreign anchor was found");
}

/// Method, path and query of anyone's request: what is kept is a record within its bound that can be read again.
pub fn request(method: &str, path: &str, query: Option<&str>) {
    let what = What::of(method, path, query);
    let entry = (1_u8, "127.0.0.1:1".parse::<std::net::SocketAddr>().ok(), &what);
    let bytes = bcs::to_bytes(&entry).unwrap_or_default();
    assert!(!bytes.is_empty() && bytes.len() < crate::record::LONGEST, "a record is too long");
    let kept = bcs::to_bytes(&what).ok().and_then(|bytes| bcs::from_bytes::<What<'static>>(&bytes).ok());
    assert_eq!(kept.as_ref(), Some(&what), "a record cannot be read again");
}

/// A disk that has one segment.
struct OneFile(Vec<u8>);
/// There are none to write to.
enum NoFile {}

// === impl OneFile ===

impl Disk for OneFile {
    type File = NoFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(vec![crate::segment::name(0)])
    }

    fn read(&self, _: &str) -> io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }

    fn create(&self, _: &str) -> io::Result<NoFile> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn room(&self) -> io::Result<u64> {
        Ok(0)
    }
}

impl DiskFile for NoFile {
    fn write_at(&mut self, _: &[u8], _: u64) -> io::Result<usize> {
        match *self {}
    }

    fn truncate(&mut self, _: u64) -> io::Result<()> {
        match *self {}
    }

    fn sync(&mut self) -> io::Result<()> {
        match *self {}
    }
}
