//! WebSocket frames on their way to the client, as far as it takes to know where one ends: only there may a frame of ours
//! stand. The bytes themselves are left as they are. See `docs/decisions/0007-how-a-cut-is-told.md`.

/// A frame's head: two bytes, up to eight of length, four of mask.
const LONGEST_HEAD: usize = 14;
const CLOSE: u8 = 0x8;
/// The longest text a close frame has room for.
const LONGEST_REASON: usize = 123;

/// How far the stream of a server's frames has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    head: [u8; LONGEST_HEAD],
    /// Bytes of the head that have passed.
    read: usize,
    /// Bytes of the payload that have not.
    left: u64,
    closed: bool,
}

/// A reason to close, as RFC 6455 numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseCode {
    /// The gateway ends.
    GoingAway = 1001,
    /// The right behind it is gone.
    PolicyViolation = 1008,
}

// === impl Frames ===

impl Frames {
    /// These bytes have gone to the client.
    pub(super) fn passed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left = self.left.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
                bytes = &bytes[skipped..];
                continue;
            }
            self.head[self.read] = bytes[0];
            self.read += 1;
            bytes = &bytes[1..];
            if let Some(length) = self.length() {
                self.closed |= self.head[0] & 0xf == CLOSE;
                (self.left, self.read) = (length, 0);
            }
        }
    }

    /// Whether a frame of ours may follow: none is half sent, and the API server has not closed. A message half sent is no
    /// hindrance, as control frames may stand between its parts.
    pub(super) fn may_close(&self) -> bool {
        self.read == 0 && self.left == 0 && !self.closed
    }

    /// The payload's length, once the head is whole.
    fn length(&self) -> Option<u64> {
        let head = &self.head[..self.read];
        let second = *head.get(1)?;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let (extended, short) = match second & 0x7f {
            126 => (2, 0),
            127 => (8, 0),
            short => (0, u64::from(short)),
        };
        let number = head.get(2..2 + extended)?;
        if head.len() < 2 + extended + mask {
            return None;
        }
        Some(number.iter().fold(short, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// A server's close frame.
pub(super) fn close(code: CloseCode, reason: &str) -> Vec<u8> {
    let reason = &reason.as_bytes()[..reason.len().min(LONGEST_REASON)];
    let length = u8::try_from(reason.len() + 2).unwrap_or_default();
    [&[0x80 | CLOSE, length][..], &(code as u16).to_be_bytes(), reason].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's frame with a payload of this length.
    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80_u8 } else { 0 };
        let mut frame = vec![opcode];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(mask + 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask + 127);
                frame.extend(u64::try_from(length).unwrap().to_be_bytes());
            }
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        // What it carries looks like heads of frames.
        frame.resize(frame.len() + length, 0x88);
        frame
    }

    #[test]
    fn only_between_frames_may_one_of_ours_stand() {
        for masked in [false, true] {
            let all = [0, 1, 5, 125, 126, 1000, 65_535, 65_536, 70_000].map(|length| frame(0x82, length, masked));
            let mut end = 0;
            let ends = all.each_ref().map(|frame| {
                end += frame.len();
                end
            });
            let bytes = all.concat();
            let mut frames = Frames::default();
            assert!(frames.may_close());
            for (at, byte) in bytes.iter().enumerate() {
                frames.passed(&[*byte]);
                assert_eq!(frames.may_close(), ends.contains(&(at + 1)), "after byte {at}");
            }
            // In whatever pieces they come.
            for piece in [2, 3, 7, 1024, bytes.len()] {
                let mut frames = Frames::default();
                let mut at = 0;
                for piece in bytes.chunks(piece) {
                    frames.passed(piece);
                    at += piece.len();
                    assert_eq!(frames.may_close(), ends.contains(&at), "after byte {at}");
                }
            }
        }
    }

    #[test]
    fn a_message_in_parts_may_be_broken_into_and_a_closed_stream_not() {
        let mut frames = Frames::default();
        frames.passed(&frame(0x02, 10, false));
        assert!(frames.may_close(), "the first part of a message");
        frames.passed(&frame(0x88, 2, false));
        assert!(!frames.may_close(), "nothing follows a close frame");
    }

    #[test]
    fn no_length_is_too_long() {
        let mut frames = Frames::default();
        frames.passed(&[0x82, 0xff]);
        frames.passed(&[0xff; 12]);
        frames.passed(&[0; 1024]);
        assert!(!frames.may_close());
    }

    #[test]
    fn a_close_frame_has_a_code_and_a_reason() {
        assert_eq!(close(CloseCode::PolicyViolation, "gone"), b"\x88\x06\x03\xf0gone");
        assert_eq!(close(CloseCode::GoingAway, ""), b"\x88\x02\x03\xe9");
        let long = close(CloseCode::GoingAway, &"x".repeat(500));
        assert_eq!((long[1], long.len()), (125, 127));
        let mut frames = Frames::default();
        frames.passed(&long);
        assert!(frames.closed && frames.left == 0 && frames.read == 0);
    }
}
