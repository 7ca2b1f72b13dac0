"""Drives slixmpp's own XEP-0060 plug-in against the bus as two users, and checks what it makes of the answers.

    pubsub.py CLIENT-PORT SERVICE PASSWORD      the users are alice and bob at localhost

Prints one JSON object for each step that went as expected. The first one that did not ends it with a message.
"""

import asyncio
import json
import sys

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0059.stanza import Set
from slixmpp.plugins.xep_0060.stanza import Pubsub
from slixmpp.xmlstream import ET, register_stanza_plugin

PATIENCE_SECONDS = 60
PUBSUB = "http://jabber.org/protocol/pubsub"
MAM = "urn:xmpp:mam:2"
GET_PENDING = f"{PUBSUB}#get-pending"
READING = "urn:example:reading"
NODE = "readings"

# slixmpp's pages of items need it, and slixmpp leaves it to its user.
register_stanza_plugin(Pubsub, Set)


class User(ClientXMPP):
    """A session whose notifications wait in a queue, as (kind, node, item id, text of the payload)."""

    def __init__(self, name, service, password):
        super().__init__(f"{name}@localhost/slixmpp", password)
        self.service = service
        self.enable_direct_tls = self.enable_starttls = False
        self.enable_plaintext = True
        self.plugin["feature_mechanisms"].unencrypted_plain = True
        for plugin in ("xep_0004", "xep_0030", "xep_0050", "xep_0059", "xep_0060", "xep_0313", "xep_0359"):
            self.register_plugin(plugin)
        self.pubsub = self.plugin["xep_0060"]
        # The plug-in for archives has no word for a node.
        self.add_filter("out", name_node)
        self.notifications = asyncio.Queue()
        self.add_event_handler("pubsub_publish", self.on_publish)
        self.add_event_handler("pubsub_retract", self.on_retract)
        self.add_event_handler("pubsub_delete", self.on_delete)
        self.approvals = asyncio.Queue()
        self.add_event_handler("message_xform", self.on_form)

    async def log_in(self, port):
        self.connect("127.0.0.1", port)
        await self.wait_until("session_start", PATIENCE_SECONDS)
        # Notifications go to the bare JID, so to available resources. The server handles one sender's stanzas in
        # order: whatever is asked after this finds the user available.
        self.send_presence()

    # A handler that is not `async` and iterates the items never ends: slixmpp hands out one shared iterator.

    async def on_publish(self, message):
        items = message["pubsub_event"]["items"]
        item = items["item"]
        self.hear("publish", message, items["node"], item["id"], text_of(item))

    async def on_retract(self, message):
        items = message["pubsub_event"]["items"]
        self.hear("retract", message, items["node"], items["retract"]["id"], None)

    async def on_delete(self, message):
        self.hear("delete", message, message["pubsub_event"]["delete"]["node"], None, None)

    def hear(self, kind, message, node, item_id, text):
        named_by = (str(message["from"]), str(message["stanza_id"]["by"]))
        equal(f"who names the {kind} notification", named_by, (self.service, self.service))
        if not message["stanza_id"]["id"]:
            raise AssertionError(f"the stanza-id of a {kind} notification is empty: {message}")
        self.notifications.put_nowait((kind, node, item_id, text))

    async def hears(self, *expected):
        try:
            heard = await asyncio.wait_for(self.notifications.get(), PATIENCE_SECONDS)
        except asyncio.TimeoutError:
            raise AssertionError(f"{self.boundjid.bare} waited in vain for {expected}") from None
        equal(f"what {self.boundjid.bare} hears", heard, expected)

    async def on_form(self, message):
        fields = message["form"].get_fields()
        self.approvals.put_nowait(tuple(fields[f"pubsub#{name}"]["value"] for name in ("node", "subscriber_jid")))

    async def is_asked(self, *expected):
        asked = await asyncio.wait_for(self.approvals.get(), PATIENCE_SECONDS)
        equal("who waits on which node", asked, expected)

    def form(self, form_type, **values):
        form = self.plugin["xep_0004"].make_form(ftype="submit")
        form.add_field(var="FORM_TYPE", ftype="hidden", value=f"{PUBSUB}#{form_type}")
        for var, value in values.items():
            form.add_field(var=f"pubsub#{var}", value=value)
        return form

    async def execute(self, command, fill):
        """Goes through a command by slixmpp's own workflow; what it asks is filled in. Returns the last answer."""
        ended = asyncio.get_running_loop().create_future()
        commands = self.plugin["xep_0050"]

        def asked(answer, session):
            session["payload"] = [fill(answer["command"]["form"])]
            session["next"] = lambda last, _: ended.set_result(last)
            commands.complete_command(session)

        session = {"next": asked, "error": lambda error, _: ended.set_exception(IqError(error))}
        commands.start_command(self.service, command, session)
        return await asyncio.wait_for(ended, PATIENCE_SECONDS)

    # The requests, each as the plug-in makes it.

    def create(self, node):
        return self.pubsub.create_node(self.service, node)

    def delete(self, node):
        return self.pubsub.delete_node(self.service, node)

    def subscribe(self, node):
        return self.pubsub.subscribe(self.service, node)

    def unsubscribe(self, node):
        return self.pubsub.unsubscribe(self.service, node)

    def publish(self, item_id, text):
        payload = ET.Element(f"{{{READING}}}reading")
        payload.text = text
        return self.pubsub.publish(self.service, NODE, id=item_id, payload=payload)

    def retract(self, item_id):
        return self.pubsub.retract(self.service, NODE, item_id, notify=True)

    async def items(self, **selection):
        answer = await self.pubsub.get_items(self.service, NODE, **selection)
        return items_of(answer)

    async def archived(self, **selection):
        entries = self.plugin["xep_0313"].iterate(self.service, **selection)
        return [entry_of(entry) async for entry in entries]


async def run(alice, bob):
    await discover(alice)
    await create(alice)
    await subscribe(bob)
    published = await publish(alice, bob)
    await retrieve(bob, published)
    await query_archive(bob)
    await be_refused(alice, bob)
    await retract(alice, bob)
    await unsubscribe(alice, bob)
    await delete(alice, bob)
    await approve(alice, bob)


async def discover(alice):
    info = await alice.plugin["xep_0030"].get_info(alice.service)
    identities = {(identity[0], identity[1]) for identity in info["disco_info"]["identities"]}
    if ("pubsub", "service") not in identities or PUBSUB not in info["disco_info"]["features"]:
        raise AssertionError(f"the service does not say that it does pubsub: {info}")
    done("discover the service")


async def create(alice):
    answer = await alice.create(NODE)
    equal("the created node", answer["pubsub"]["create"]["node"] or NODE, NODE)
    nodes = await alice.pubsub.get_nodes(alice.service)
    equal("the nodes", {node for _, node, _ in nodes["disco_items"]["items"]}, {NODE})
    done("create a named node")

    await refused(alice.create(NODE), "cancel", "conflict")
    done("create again: conflict")

    answer = await alice.create(None)
    instant = answer["pubsub"]["create"]["node"]
    if instant in ("", NODE):
        raise AssertionError(f"the service made up the name {instant!r}")
    await alice.delete(instant)
    done("create an instant node")


async def subscribe(bob):
    answer = await bob.subscribe(NODE)
    subscription = answer["pubsub"]["subscription"]
    state = (subscription["node"], str(subscription["jid"]), subscription["subscription"])
    equal("the subscription", state, (NODE, "bob@localhost", "subscribed"))
    done("subscribe")


async def publish(alice, bob):
    answer = await alice.publish("first", "1")
    equal("the published id", answer["pubsub"]["publish"]["item"]["id"], "first")
    await bob.hears("publish", NODE, "first", "1")
    done("publish under an id")

    answer = await alice.publish(None, "2")
    generated = answer["pubsub"]["publish"]["item"]["id"]
    if not generated:
        raise AssertionError(f"the answer does not name the generated id: {answer}")
    await bob.hears("publish", NODE, generated, "2")
    done("publish under a generated id")

    await alice.publish("third", "3")
    await bob.hears("publish", NODE, "third", "3")
    await alice.publish("first", "1 again")
    await bob.hears("publish", NODE, "first", "1 again")
    done("overwrite an item")
    return [(generated, "2"), ("third", "3"), ("first", "1 again")]


async def retrieve(bob, published):
    equal("all items", await bob.items(), published)
    equal("the newest two", await bob.items(max_items=2), published[1:])
    done("get items by count")

    equal("one by id", await bob.items(item_ids=["third"]), [("third", "3")])
    equal("those that there are", await bob.items(item_ids=["first", "nowhere"]), [("first", "1 again")])
    done("get items by id")

    pages = bob.pubsub.get_items(bob.service, NODE, iterator=True)
    pages.amount = 2
    paged = [items_of(page) async for page in pages]
    equal("the pages of two", paged, [published[:2], published[2:]])
    done("get items by pages")


async def query_archive(bob):
    everything = await bob.archived()
    equal("the archive", [(kind, text) for _, kind, text in everything],
          [("item", "1"), ("item", "2"), ("item", "3"), ("item", "1 again")])
    equal("the same, two to a page", await bob.archived(rsm={"max": 2}), everything)
    equal("its end", await bob.archived(reverse=True, rsm={"max": 3}, total=2), everything[:1:-1])
    behind = await bob.archived(rsm={"after": everything[1][0]})
    equal("what is behind the second entry", behind, everything[2:])
    nobody = await bob.archived(with_jid="nobody@localhost")
    equal("what somebody else has sent", nobody, [])
    ends = await bob.plugin["xep_0313"].get_archive_metadata(bob.service)
    named = (ends["mam_metadata"]["start"]["id"], ends["mam_metadata"]["end"]["id"])
    equal("the ends of the archive", named, (everything[0][0], everything[-1][0]))
    done("query the archive")


async def be_refused(alice, bob):
    missing = alice.pubsub.get_items(alice.service, "nowhere")
    await refused(missing, "cancel", "item-not-found")
    await refused(alice.subscribe("nowhere"), "cancel", "item-not-found")
    await refused(alice.delete("nowhere"), "cancel", "item-not-found")
    await refused(alice.retract("nowhere"), "cancel", "item-not-found")
    done("ask for what is not there: item-not-found")

    await refused(bob.publish("fourth", "4"), "auth", "forbidden")
    await refused(bob.retract("first"), "auth", "forbidden")
    await refused(bob.delete(NODE), "auth", "forbidden")
    done("another user publishes, retracts, deletes: forbidden")

    foreign = bob.pubsub.subscribe(bob.service, NODE, subscribee="alice@localhost")
    await refused(foreign, "modify", "bad-request", "invalid-jid")
    done("subscribe somebody else: invalid-jid")


async def retract(alice, bob):
    await alice.retract("third")
    await bob.hears("retract", NODE, "third", None)
    equal("items of that id", await bob.items(item_ids=["third"]), [])
    await refused(alice.retract("third"), "cancel", "item-not-found")
    done("retract")


async def unsubscribe(alice, bob):
    await bob.unsubscribe(NODE)
    await refused(bob.unsubscribe(NODE), "cancel", "unexpected-request", "not-subscribed")
    await alice.publish("unheard", "5")
    await bob.subscribe(NODE)
    await alice.publish("heard", "6")
    # One node's notifications come in order, so an "unheard" would come before.
    await bob.hears("publish", NODE, "heard", "6")
    done("unsubscribe")


async def delete(alice, bob):
    await alice.delete(NODE)
    await bob.hears("delete", NODE, None, None)
    await refused(bob.items(), "cancel", "item-not-found")
    done("delete")


async def approve(alice, bob):
    await alice.pubsub.create_node(
        alice.service, "closed", config=alice.form("node_config", access_model="authorize")
    )
    answer = await bob.subscribe("closed")
    equal("the subscription", answer["pubsub"]["subscription"]["subscription"], "pending")
    await alice.is_asked("closed", "bob@localhost")

    commands = await alice.plugin["xep_0050"].get_commands(alice.service)
    equal("the commands", {node for _, node, _ in commands["disco_items"]["items"]}, {GET_PENDING})

    def choose(form):
        nodes = [option["value"] for option in form.get_fields()["pubsub#node"]["options"]]
        equal("the nodes on which somebody waits", nodes, ["closed"])
        return alice.form("subscribe_authorization", node="closed")

    last = await alice.execute(GET_PENDING, choose)
    equal("the end of the command", last["command"]["status"], "completed")
    await alice.is_asked("closed", "bob@localhost")
    done("be asked about who waits, by a command")

    def nowhere(_):
        return alice.form("subscribe_authorization", node="nowhere")

    await refused(alice.execute(GET_PENDING, nowhere), "cancel", "item-not-found")
    await refused(bob.execute(GET_PENDING, nowhere), "cancel", "forbidden")
    done("a command that is for others: forbidden")


async def refused(request, kind, condition, pubsub_condition=""):
    try:
        answer = await request
    except IqError as error:
        seen = (error.etype, error.condition, error.iq["error"]["pubsub"]["condition"])
        equal("the error", seen, (kind, condition, pubsub_condition))
    else:
        raise AssertionError(f"expected {kind}/{condition}, not the answer {answer}")


def name_node(stanza):
    for name in ("query", "metadata"):
        element = stanza.xml.find(f"{{{MAM}}}{name}")
        if element is not None:
            element.set("node", NODE)
    return stanza


def entry_of(message):
    """The id of an archive's entry, what kind it is, and its text."""
    result = message["mam_result"]
    item = result["forwarded"]["stanza"]["pubsub_event"]["items"]["item"]
    return result["id"], "item" if item["id"] else "other", text_of(item)


def items_of(answer):
    return [(item["id"], text_of(item)) for item in list(answer["pubsub"]["items"])]


def text_of(item):
    payload = item["payload"]
    if payload is None:
        return None
    equal("the payload's element", payload.tag, f"{{{READING}}}reading")
    return payload.text


def equal(what, seen, expected):
    if seen != expected:
        raise AssertionError(f"{what}: expected {expected!r}, not {seen!r}")


def done(step):
    print(json.dumps({"step": step}), flush=True)


async def main():
    port, service, password = sys.argv[1:]
    alice, bob = User("alice", service, password), User("bob", service, password)
    for user in (alice, bob):
        await user.log_in(int(port))
    await run(alice, bob)
    for user in (alice, bob):
        await user.disconnect()


asyncio.run(main())
