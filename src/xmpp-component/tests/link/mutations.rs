use tokio::io::AsyncWriteExt as _;
use xmpp_component::{LinkEvent, LinkLimits};

use crate::fake_server::{Client, FakeServer};

const SEEDS: u64 = 400;

const VALID: &str = "<iq type='set' id='p&amp;1' from='alice@localhost/x' to='events.localhost'>\
    <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item id=\"i\">\
    <a:entry xmlns:a='urn:a' a:b='c'><![CDATA[</item>]]>t&#xE9;xt \u{20ac}</a:entry></item></publish></pubsub></iq> \
    <message from='bob@localhost' to='events.localhost'><body>hello</body></message>\n\
    <presence from='bob@localhost/y' to='events.localhost' type='unavailable'/>\
    <iq type='result' from='localhost' to='events.localhost' id='b0-0'/>";

/// `SplitMix64`: the same bytes from the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }
}

/// The valid stream with some bytes changed, removed, doubled or cut off.
fn mutated(seed: u64) -> Vec<u8> {
    const MARKUP: &[u8] = b"<>/'\"&;=![]-?: \0\x0b\xff\xc3ax";
    let mut random = Random(seed);
    let mut bytes = VALID.repeat(1 + random.below(3)).into_bytes();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] = random.next().to_le_bytes()[0],
            1 => bytes[at] = MARKUP[random.below(MARKUP.len())],
            2 => drop(bytes.remove(at)),
            3 => {
                let length = random.below(bytes.len() - at).min(40);
                let copy = bytes[at..at + length].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

/// Reads events up to the next stream.
async fn next_stream(client: &mut Client) -> u64 {
    loop {
        if let LinkEvent::Up { generation } = client.event().await {
            return generation;
        }
    }
}

#[tokio::test]
async fn no_mutation_of_a_stream_stops_the_link() {
    let server = FakeServer::start().await;
    let limits = LinkLimits { stanza_bytes_max: 1_000, ..FakeServer::limits() };
    let mut client = server.connect(limits);
    for seed in 0..SEEDS {
        let mut connection = server.accept_stream().await;
        next_stream(&mut client).await;
        for piece in mutated(seed).chunks(1 + usize::try_from(seed % 97).expect("small") * 7) {
            connection.write(piece).await;
        }
        let _gone = connection.socket.shutdown().await;
        connection.read_to_end().await;
    }
    let mut connection = server.accept_stream().await;
    assert_eq!(next_stream(&mut client).await, SEEDS + 1);
    connection.write("<iq id='works'/>").await;
    assert_eq!(client.stanza_id().await, "works");
    let statistics = client.link.statistics();
    assert_eq!((statistics.reply_lane_stanzas, statistics.notification_lane_stanzas), (0, 0));
    assert!(statistics.stanzas_in > SEEDS / 2, "{statistics:?}: the mutations leave nothing to read");
}
