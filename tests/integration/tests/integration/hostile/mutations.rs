use harness::{RawStream, ScriptedServer};

use super::memory::{GROWTH_BYTES_MAX, resident_bytes};
use crate::peers::{FROM_ALICE, PATIENCE, XmppPeer, metric, on_script};

const SEEDS: u64 = 300;

/// A little of everything that a server sends, and that changes something.
const STANZAS: &str = "\
    <iq type='set' id='c' from='mallory@localhost/here' to='events.localhost'>\
    <pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='n'/></pubsub></iq>\
    <iq type='set' id='s' from='mallory@localhost/here' to='events.localhost'>\
    <pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='n' jid='mallory@localhost'/></pubsub></iq>\
    <iq type='set' id='p&amp;1' from='mallory@localhost/here' to='events.localhost'>\
    <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item id=\"i\">\
    <a:entry xmlns:a='urn:a' a:b='c'><![CDATA[</item>]]>t&#xE9;xt \u{20ac}</a:entry></item></publish></pubsub></iq> \
    <iq type='get' id='g' from='mallory@localhost/here' to='events.localhost'>\
    <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n' max_items='2'/>\
    <set xmlns='http://jabber.org/protocol/rsm'><max>3</max></set></pubsub></iq>\n\
    <iq type='get' id='d' from='bob@localhost' to='events.localhost'>\
    <query xmlns='http://jabber.org/protocol/disco#items'/></iq>\
    <message from='bob@localhost' to='events.localhost'><body>hello</body></message>\
    <presence from='bob@localhost/y' to='events.localhost' type='subscribe'/>\
    <iq type='result' from='localhost' to='events.localhost' id='b0-0'/>";

#[tokio::test]
async fn no_mutation_of_a_stream_ends_the_daemon_or_makes_it_grow() {
    let (server, daemon, first) = on_script().await;
    drop(first);
    let bytes_before = resident_bytes(&daemon);
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        if seed.is_multiple_of(8) {
            let whole = format!("{}<handshake/>{STANZAS}", ScriptedServer::HEADER);
            send_mutated(server.accept().await.unwrap(), &whole, &mut random).await;
        } else {
            let mut peer = XmppPeer::new(server.accept_daemon().await.unwrap());
            peer.ask("", FROM_ALICE).await;
            send_mutated(peer.into_stream(), STANZAS, &mut random).await;
        }
    }
    let mut peer = XmppPeer::new(server.accept_daemon().await.unwrap());
    peer.ask("", FROM_ALICE).await;
    let bytes_after = resident_bytes(&daemon);
    assert!(bytes_after < bytes_before + GROWTH_BYTES_MAX, "from {bytes_before} to {bytes_after} bytes");
    let stanzas = metric(&daemon, "stanzabus_link_stanzas_in_total").await;
    assert!(stanzas > 2 * SEEDS, "{stanzas} stanzas: the mutations leave nothing to read");
}

/// Writes some bytes too few, too many or wrong, in pieces, and closes.
async fn send_mutated(mut stream: RawStream, text: &str, random: &mut Random) {
    let bytes = mutate(text.as_bytes().to_vec(), random);
    let piece_bytes = 1 + random.below(700);
    for piece in bytes.chunks(piece_bytes) {
        // Whoever has given up reads no further, and need not.
        if stream.send(piece).await.is_err() {
            break;
        }
    }
    let _given_up_before = stream.finish().await;
    stream.read_to_close(PATIENCE).await.expect("the daemon closes, and connects again");
}

/// Some bytes are changed, removed, doubled or cut off.
fn mutate(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    const MARKUP: &[u8] = b"<>/'\"&;=![]-?: \0\x0b\xff\xc3ax";
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] = random.next().to_le_bytes()[0],
            1 => bytes[at] = MARKUP[random.below(MARKUP.len())],
            2 => drop(bytes.remove(at)),
            3 => {
                let length = random.below(bytes.len() - at).min(300);
                let copy = bytes[at..at + length].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

/// `xorshift64*`: the same bytes from the same seed, everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 16) % bound as u64).expect("below a usize")
    }
}
