use super::*;
use visit::RecordingId;

const OBJECT: RecordingId = RecordingId(Uuid::from_u128(5));

fn key() -> ObjectKey {
    ObjectKey::new([3; 32])
}

fn sealed(path: &Path, plain: &[u8]) {
    let mut writer = SealWriter::create(path, &key(), OBJECT).unwrap();
    writer.write_all(plain).unwrap();
    assert_eq!(writer.position(), plain.len() as u64);
    writer.finish().unwrap();
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn any_range_reads_back_at_every_size_around_a_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("object");
    for len in [1, 100, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7] {
        let plain = pattern(len);
        sealed(&path, &plain);
        let object = SealedObject::open(&path, &key(), OBJECT).unwrap();
        assert_eq!(object.len(), len as u64);
        let mut back = Vec::new();
        while back.len() < len {
            back.extend(object.read_at(back.len() as u64, 10_000).unwrap());
        }
        assert_eq!(back, plain);
        assert_eq!(object.read_at(len as u64 - 1, 10).unwrap(), plain[len - 1..]);
        assert!(object.read_at(len as u64, 10).unwrap().is_empty());
        let verified = verify_object(&path, &key(), OBJECT, None).unwrap();
        assert_eq!(verified.sha256, hex::encode(aws_lc_rs::digest::digest(&SHA256, &plain)));
    }
}

#[test]
fn the_header_can_be_filled_in_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("object");
    let mut plain = pattern(3 * CHUNK_BYTES);
    let mut writer = SealWriter::create(&path, &key(), OBJECT).unwrap();
    writer.write_all(&plain).unwrap();
    writer.patch(10, b"patched");
    writer.finish().unwrap();
    plain[10..17].copy_from_slice(b"patched");
    let object = SealedObject::open(&path, &key(), OBJECT).unwrap();
    assert_eq!(object.read_at(0, CHUNK_BYTES).unwrap(), plain[..CHUNK_BYTES]);
}

#[test]
fn an_unfinished_file_has_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("object");
    let mut writer = SealWriter::create(&path, &key(), OBJECT).unwrap();
    writer.write_all(&pattern(CHUNK_BYTES * 2)).unwrap();
    drop(writer);
    assert!(!path.exists());
}

#[test]
fn the_same_plaintext_sealed_twice_differs() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    sealed(&one, &pattern(1_000));
    sealed(&two, &pattern(1_000));
    assert_ne!(fs::read(one).unwrap()[HEADER_LEN..], fs::read(two).unwrap()[HEADER_LEN..]);
}

#[test]
fn a_thousand_ways_to_tamper_are_all_found_and_never_read() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other_path) = (dir.path().join("object"), dir.path().join("other"));
    let plain = pattern(5 * CHUNK_BYTES + 999);
    sealed(&path, &plain);
    sealed(&other_path, &plain);
    let (bytes, other) = (fs::read(&path).unwrap(), fs::read(&other_path).unwrap());
    let chunk = |of: &[u8], n: usize| {
        let at = HEADER_LEN + n * SEALED_CHUNK as usize;
        of[at..(at + SEALED_CHUNK as usize).min(of.len())].to_vec()
    };
    let mut state = 1_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    for round in 0..1_000 {
        let (a, b) = (below(5), below(4));
        let b = if a == b { 4 } else { b };
        let mut chunks: Vec<Vec<u8>> = (0..6).map(|n| chunk(&bytes, n)).collect();
        let mut tampered = None;
        match round % 5 {
            0 => {
                let mut flipped = bytes.clone();
                flipped[below(bytes.len())] ^= 1 << below(8);
                tampered = Some(flipped);
            }
            1 => chunks.swap(a, b),
            2 => chunks[a] = chunk(&other, a),
            3 => chunks.truncate(1 + below(5)),
            _ => tampered = Some(bytes[..below(bytes.len())].to_vec()),
        }
        let tampered = tampered.unwrap_or_else(|| [bytes[..HEADER_LEN].to_vec(), chunks.concat()].concat());
        fs::write(&path, &tampered).unwrap();
        assert!(verify_object(&path, &key(), OBJECT, None).is_err(), "round {round}: nothing was noticed");
        let Ok(object) = SealedObject::open(&path, &key(), OBJECT) else {
            continue;
        };
        for n in 0..6 {
            let at = n * CHUNK_BYTES;
            if let Ok(read) = object.read_at(at as u64, CHUNK_BYTES) {
                assert_eq!(read, plain[at..at + read.len()], "round {round}: something is false");
            }
        }
    }
}

#[test]
fn a_capture_is_only_deleted_with_the_proof_of_its_own_file() {
    let dir = tempfile::tempdir().unwrap();
    let (mine, foreign) = (dir.path().join("mine"), dir.path().join("foreign"));
    sealed(&mine, b"composed");
    SealWriter::create(&foreign, &key(), RecordingId(Uuid::from_u128(6)))
        .and_then(|mut writer| writer.write_all(b"composed").and_then(|()| writer.finish()))
        .unwrap();
    let identity =
        journal::Identity { recording: OBJECT, visit: visit::VisitId(Uuid::from_u128(1)), started: visit::Now(0) };
    let chunks = dir.path().join(journal::FILE_NAME);
    journal::JournalWriter::new(File::create(&chunks).unwrap(), &key(), identity).unwrap();
    let proof = verify_object(&foreign, &key(), RecordingId(Uuid::from_u128(6)), None).unwrap();
    assert!(matches!(delete_capture(dir.path(), &proof), Err(DeleteError::OtherRecording)));
    assert!(chunks.exists());
    let proof = verify_object(&mine, &key(), OBJECT, None).unwrap();
    delete_capture(dir.path(), &proof).unwrap();
    assert!(!chunks.exists());
    delete_capture(dir.path(), &proof).unwrap();
}
