//! The codec of `Tail`: frames whose event is in bytes already go out as they are.

use prost::bytes::{BufMut as _, Bytes};
use prost::{Message as _, encode_length_delimiter};
use tonic::Status;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

use crate::v1;

/// A frame on its way out.
#[derive(Debug)]
pub(crate) enum OutgoingFrame {
    /// A `TailResponse` of another kind.
    Other(v1::TailResponse),
    /// `TailResponse.event`, by the bytes of its `Event`.
    Event(Bytes),
}

/// Number 2, with a length in front (protobuf's wire type 2).
const EVENT_KEY: u8 = (2 << 3) | 2;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameCodec;

impl Codec for FrameCodec {
    type Encode = OutgoingFrame;
    type Decode = v1::TailRequest;
    type Encoder = Self;
    type Decoder = ProstDecoder<v1::TailRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        *self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

impl Encoder for FrameCodec {
    type Item = OutgoingFrame;
    type Error = Status;

    fn encode(&mut self, frame: OutgoingFrame, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // The buffer grows as it must.
        let grows = |error: prost::EncodeError| Status::internal(error.to_string());
        match frame {
            OutgoingFrame::Other(message) => message.encode(buffer).map_err(grows),
            OutgoingFrame::Event(bytes) => {
                buffer.reserve(bytes.len() + 16);
                buffer.put_u8(EVENT_KEY);
                encode_length_delimiter(bytes.len(), buffer).map_err(grows)?;
                buffer.put_slice(&bytes);
                Ok(())
            }
        }
    }
}
