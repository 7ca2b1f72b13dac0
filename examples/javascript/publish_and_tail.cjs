// Publishes an event, then prints what the node's log has from there on. README.md beside this file says how to run it.
const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const [address, tokenFile, node] = process.argv.slice(2);
const contracts = path.join(__dirname, "../../schemas/proto");
const services = ["stanzabus/v1/publisher.proto", "stanzabus/v1/subscriber.proto"];
// Positions are numbers of 64 bits: more than a Number can tell apart.
const definition = protoLoader.loadSync(services, { includeDirs: [contracts], longs: String, enums: String });
const { Publisher, Subscriber } = grpc.loadPackageDefinition(definition).stanzabus.v1;
const credentials = grpc.credentials.createInsecure();
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${fs.readFileSync(tokenFile, "utf8").trim()}`);

const order = { itemId: "order-7", xml: "<order xmlns='urn:example:shop' number='7'/>" };
new Publisher(address, credentials).publish({ node, events: [order] }, metadata, (error, answer) => {
  if (error) throw error;
  const [published] = answer.results;
  console.log(`on disk: ${published.itemId} is seq ${published.seq}`);

  // Keep (epoch, seq) of the last event that you have dealt with, and come back with them.
  const request = { node, afterSeq: String(BigInt(published.seq) - 1n), expectedEpoch: answer.epoch };
  const frames = new Subscriber(address, credentials).tail(request, metadata);
  frames.on("data", ({ event }) => {
    if (event) console.log(`seq ${event.seq}: ${event.itemId} ${event.xml}`);
  });
  frames.on("error", (error) => {
    throw error;
  });
});
