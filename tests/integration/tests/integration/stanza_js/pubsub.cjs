// Drives stanza.js's own XEP-0060 plugin against the bus as two users over WebSocket, and checks what it makes of the
// answers.
//
//     NODE_PATH=FOLDER/node_modules node pubsub.cjs WEBSOCKET-URL SERVICE PASSWORD      the users are alice and bob at localhost
//
// Prints one JSON object for each step that went as expected. The first one that did not ends it with a message.

'use strict'

const { deepStrictEqual: equal } = require('node:assert')
const { createClient, JXT } = require('stanza')

const PATIENCE_MS = 60_000
const PUBSUB = 'http://jabber.org/protocol/pubsub'
const READING = 'urn:example:reading'
const NODE = 'measurements'

const [url, service, password] = process.argv.slice(2)

// A session whose notifications wait in a queue, as [kind, node, item id, text of the payload].
class User {
  constructor(name) {
    this.bare = `${name}@localhost`
    this.client = createClient({
      jid: `${this.bare}/stanza`,
      password,
      transports: { websocket: url, bosh: false },
      autoReconnect: false
    })
    this.client.stanzas.define({
      namespace: READING,
      element: 'reading',
      type: READING,
      aliases: JXT.pubsubItemContentAliases(),
      fields: { text: JXT.text() }
    })
    this.heard = []
    this.waiting = []
    this.client.on('pubsub:event', message => this.hear(message))
  }

  logIn() {
    return patiently(`${this.bare} logs in`, (resolve, reject) => {
      this.client.once('session:started', () => {
        // Notifications go to the bare JID, so to available resources. The server handles one sender's stanzas in
        // order: whatever is asked after this finds the user available.
        this.client.sendPresence()
        resolve()
      })
      this.client.once('auth:failed', () => reject(new Error(`${this.bare} cannot log in`)))
      this.client.connect()
    })
  }

  hear({ pubsub, from }) {
    equal(from, service)
    for (const notification of notificationsOf(pubsub)) {
      const waiting = this.waiting.shift()
      if (waiting) waiting(notification)
      else this.heard.push(notification)
    }
  }

  async hears(...expected) {
    const what = `${this.bare} hears ${expected}`
    const heard = this.heard.shift() ?? (await patiently(what, resolve => this.waiting.push(resolve)))
    equal(heard, expected)
  }

  publish(id, text) {
    return this.client.publish(service, NODE, { itemType: READING, text }, id)
  }

  async items(options) {
    const { items } = await this.client.getItems(service, NODE, options)
    return (items ?? []).map(({ id, content }) => [id, content.text])
  }
}

async function run(alice, bob) {
  await discover(alice.client)
  await createAndConfigure(alice.client)
  await subscribe(alice.client, bob)
  await publish(alice, bob)
  await retrieve(bob)
  await beRefused(alice, bob)
  await affiliate(alice, bob)
  await chooseOptions(alice, bob)
  await remove(alice, bob)
}

async function discover(alice) {
  const { identities, features } = await alice.getDiscoInfo(service)
  equal(identities.some(({ category, type }) => category === 'pubsub' && type === 'service'), true)
  equal(features.includes(PUBSUB), true)
  done('discover the service')
}

async function createAndConfigure(alice) {
  const defaults = valuesOf(await alice.getDefaultNodeConfig(service))
  equal(defaults['pubsub#access_model'], 'open')
  done('read the default configuration')

  await alice.createNode(service, NODE, form('node_config', { 'pubsub#title': 'Meters', 'pubsub#notify_retract': true }))
  const configured = valuesOf(await alice.getNodeConfig(service, NODE))
  equal([configured['pubsub#title'], configured['pubsub#notify_retract']], ['Meters', true])
  done('create a node with a configuration')

  await alice.configureNode(service, NODE, form('node_config', { 'pubsub#title': 'Readings' }))
  equal(valuesOf(await alice.getNodeConfig(service, NODE))['pubsub#title'], 'Readings')
  const { items } = await alice.getDiscoItems(service)
  equal(items.map(({ node }) => node), [NODE])
  done('configure it')
}

async function subscribe(alice, bob) {
  const subscription = await bob.client.subscribeToNode(service, NODE)
  equal([subscription.node, subscription.jid, subscription.state], [NODE, bob.bare, 'subscribed'])
  const own = await bob.client.getSubscriptions(service)
  equal(own.items.map(({ node, state }) => [node, state]), [[NODE, 'subscribed']])
  const { pubsub } = await alice.getNodeSubscribers(service, NODE)
  equal(pubsub.subscriptions.items.map(({ jid, state }) => [jid, state]), [[bob.bare, 'subscribed']])
  done('subscribe')
}

async function publish(alice, bob) {
  for (const number of ['1', '2', '3']) {
    const { pubsub } = await alice.publish(`reading-${number}`, number)
    equal(pubsub.publish.item.id, `reading-${number}`)
    await bob.hears('publish', NODE, `reading-${number}`, number)
  }
  done('publish')
}

async function retrieve(bob) {
  equal(await bob.items(), [['reading-1', '1'], ['reading-2', '2'], ['reading-3', '3']])
  const { content } = await bob.client.getItem(service, NODE, 'reading-2')
  equal(content.text, '2')
  done('get items')

  // The archive is the whole log: it begins with the changed configuration.
  const first = await bob.client.searchHistory(service, { node: NODE, paging: { max: 2 } })
  const rest = await bob.client.searchHistory(service, { node: NODE, paging: { max: 2, after: first.paging.last } })
  const archived = [...first.results, ...rest.results].flatMap(({ item }) => notificationsOf(item.message.pubsub))
  equal(archived.map(([kind, , id]) => [kind, id]), [
    ['configuration', null],
    ['publish', 'reading-1'],
    ['publish', 'reading-2'],
    ['publish', 'reading-3']
  ])
  done('query the archive')
}

async function beRefused(alice, bob) {
  await refused(alice.client.createNode(service, NODE), 'cancel', 'conflict')
  await refused(bob.client.getItems(service, 'nowhere'), 'cancel', 'item-not-found')
  await refused(bob.publish('reading-4', '4'), 'auth', 'forbidden')
  await refused(bob.client.getNodeConfig(service, NODE), 'auth', 'forbidden')
  const foreign = bob.client.subscribeToNode(service, { node: NODE, jid: alice.bare })
  await refused(foreign, 'modify', 'bad-request', 'invalid-jid')
  done('be refused, with the errors of XEP-0060')
}

async function affiliate(alice, bob) {
  await alice.client.updateNodeAffiliations(service, NODE, [{ jid: bob.bare, affiliation: 'publisher' }])
  const { items } = await alice.client.getNodeAffiliations(service, NODE)
  equal(items.map(({ jid, affiliation }) => [jid, affiliation]).sort(), [[alice.bare, 'owner'], [bob.bare, 'publisher']])
  await bob.publish('reading-4', '4')
  await bob.hears('publish', NODE, 'reading-4', '4')
  done('make a publisher, who publishes')
}

async function chooseOptions(alice, bob) {
  await bob.client.unsubscribeFromNode(service, NODE)
  await refused(bob.client.unsubscribeFromNode(service, NODE), 'cancel', 'unexpected-request', 'not-subscribed')
  await alice.publish('unheard', '5')
  const options = form('subscribe_options', { 'pubsub#deliver': true })
  const { state } = await bob.client.subscribeToNode(service, { node: NODE, useBareJID: true, options })
  equal(state, 'subscribed')
  await alice.publish('heard', '6')
  // One node's notifications come in order, so an "unheard" would come before.
  await bob.hears('publish', NODE, 'heard', '6')
  done('unsubscribe, and subscribe with options')
}

async function remove(alice, bob) {
  await alice.client.retract(service, NODE, 'heard', true)
  await bob.hears('retract', NODE, 'heard', null)
  await alice.client.purgeNode(service, NODE)
  await bob.hears('purge', NODE, null, null)
  equal(await bob.items(), [])
  await alice.client.deleteNode(service, NODE)
  await bob.hears('delete', NODE, null, null)
  await refused(bob.client.getItems(service, NODE), 'cancel', 'item-not-found')
  done('retract, purge, delete')
}

function notificationsOf({ items, purge, delete: deleted, subscription, eventType }) {
  if (items?.published) return items.published.map(({ id, content }) => ['publish', items.node, id, content.text])
  if (items?.retracted) return items.retracted.map(id => ['retract', items.node, id, null])
  return [[eventType, (purge ?? deleted ?? subscription)?.node, null, null]]
}

function form(type, values) {
  const fields = Object.entries(values).map(([name, value]) => ({ name, value }))
  return { type: 'submit', fields: [{ name: 'FORM_TYPE', type: 'hidden', value: `${PUBSUB}#${type}` }, ...fields] }
}

function valuesOf({ fields }) {
  return Object.fromEntries(fields.map(({ name, value }) => [name, value]))
}

async function refused(request, type, condition, pubsubCondition) {
  const answer = await request.catch(({ error }) => error)
  equal([answer?.type, answer?.condition, answer?.pubsubError], [type, condition, pubsubCondition])
}

function patiently(what, begin) {
  return new Promise((resolve, reject) => {
    const tooLong = setTimeout(() => reject(new Error(`in vain: ${what}`)), PATIENCE_MS)
    const settled = settle => value => {
      clearTimeout(tooLong)
      settle(value)
    }
    begin(settled(resolve), settled(reject))
  })
}

function done(step) {
  console.log(JSON.stringify({ step }))
}

async function main() {
  const users = [new User('alice'), new User('bob')]
  await Promise.all(users.map(user => user.logIn()))
  await run(...users)
  for (const { client } of users) client.disconnect()
  // stanza.js holds a timer for each of its requests, answered or not.
  process.exit(0)
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
