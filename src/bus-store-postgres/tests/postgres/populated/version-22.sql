SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
CREATE TABLE public.affiliations (
    node_id bigint NOT NULL,
    jid text NOT NULL COLLATE pg_catalog."C",
    affiliation text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.associations (
    collection_id bigint NOT NULL,
    child_id bigint NOT NULL,
    through_seq bigint NOT NULL,
    is_new boolean NOT NULL,
    ends_at_seq bigint,
    changed_by text NOT NULL
)
WITH (fillfactor='70');
CREATE TABLE public.batches (
    batch_number bigint NOT NULL,
    batch_id bytea NOT NULL,
    committed_at_ms bigint NOT NULL
);
ALTER TABLE public.batches ALTER COLUMN batch_number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.batches_batch_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE UNLOGGED TABLE public.commits_kept (
    only_row smallint NOT NULL,
    CONSTRAINT commits_kept_only_row_check CHECK ((only_row = 1))
);
CREATE TABLE public.consumer_cursors (
    node_id bigint NOT NULL,
    consumer_id bigint NOT NULL,
    seq bigint NOT NULL,
    items_through_seq bigint,
    fan_out text
)
WITH (fillfactor='50');
CREATE TABLE public.consumer_deliveries (
    node_id bigint NOT NULL,
    seq bigint NOT NULL,
    consumer_id bigint NOT NULL,
    attempts bigint NOT NULL,
    is_leased boolean NOT NULL,
    due_at_ms bigint NOT NULL,
    generation bigint DEFAULT 0 NOT NULL,
    order_key bigint
);
CREATE TABLE public.consumers (
    consumer_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    config jsonb NOT NULL,
    is_paused boolean DEFAULT false NOT NULL,
    created_at_ms bigint NOT NULL,
    instance bytea,
    fence bigint DEFAULT 0 NOT NULL,
    claimed_until_ms bigint DEFAULT 0 NOT NULL,
    standing jsonb,
    reader text DEFAULT 'service'::text NOT NULL,
    is_of_admin boolean DEFAULT false NOT NULL,
    push_failures bigint DEFAULT 0 NOT NULL,
    push_failure text
)
WITH (fillfactor='70');
ALTER TABLE public.consumers ALTER COLUMN consumer_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.consumers_consumer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.cursors (
    node_id bigint NOT NULL,
    leg text NOT NULL COLLATE pg_catalog."C",
    seq bigint NOT NULL,
    subscription_id bigint NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.events (
    node_id bigint NOT NULL,
    seq bigint NOT NULL,
    kind bigint NOT NULL,
    item_id text COLLATE pg_catalog."C",
    publisher text NOT NULL COLLATE pg_catalog."C",
    payload text COLLATE pg_catalog."C",
    published_at_ms bigint NOT NULL,
    recipients_version bigint NOT NULL,
    due_after_seq bigint,
    origin text
);
CREATE TABLE public.heads (
    node_id bigint NOT NULL,
    epoch bigint NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    last_due_seq bigint DEFAULT 0 NOT NULL,
    due_before_seq bigint DEFAULT 0 NOT NULL,
    rules_version bigint DEFAULT 1 NOT NULL,
    recipients_version bigint DEFAULT 1 NOT NULL,
    item_count bigint DEFAULT 0 NOT NULL,
    subscription_count bigint DEFAULT 0 NOT NULL,
    last_subscription_id bigint DEFAULT 0 NOT NULL,
    purged_through_seq bigint DEFAULT 0 NOT NULL,
    trimmed_through_seq bigint DEFAULT 0 NOT NULL,
    log_bytes bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.idempotency_keys (
    node_id bigint NOT NULL,
    principal text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    content_hash bytea NOT NULL,
    epoch bigint NOT NULL,
    first_seq bigint NOT NULL,
    item_ids text NOT NULL,
    durability text NOT NULL COLLATE pg_catalog."C",
    expires_at_ms bigint NOT NULL
);
CREATE TABLE public.items (
    node_id bigint NOT NULL,
    item_id text NOT NULL COLLATE pg_catalog."C",
    seq bigint NOT NULL,
    created_seq bigint
);
CREATE TABLE public.lagging (
    node_id bigint NOT NULL,
    subscription_id bigint NOT NULL,
    leg text NOT NULL COLLATE pg_catalog."C",
    seq bigint NOT NULL,
    attempts bigint DEFAULT 0 NOT NULL,
    due_at_ms bigint NOT NULL
);
CREATE TABLE public.nodes (
    node_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    creator text NOT NULL COLLATE pg_catalog."C",
    created_at_ms bigint NOT NULL,
    deleted_at_ms bigint,
    config jsonb NOT NULL
);
ALTER TABLE public.nodes ALTER COLUMN node_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.nodes_node_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.push_devices (
    device_id text NOT NULL,
    owner text NOT NULL,
    provider text NOT NULL,
    token text NOT NULL,
    address text NOT NULL,
    registered_at_ms bigint NOT NULL,
    seen_at_ms bigint NOT NULL,
    quarantined text,
    account text DEFAULT 'default'::text NOT NULL,
    locale text
);
CREATE TABLE public.push_inlets (
    inlet_id text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    secret text NOT NULL,
    device_id text COLLATE pg_catalog."C",
    node text,
    sender_key bytea,
    created_at_ms bigint NOT NULL
);
CREATE TABLE public.push_jobs (
    job_id text NOT NULL,
    device_id text NOT NULL,
    provider text NOT NULL,
    message text,
    state text NOT NULL,
    enqueued_at_ms bigint NOT NULL,
    due_at_ms bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    attempts bigint NOT NULL,
    reason text,
    finished_at_ms bigint,
    account text DEFAULT 'default'::text NOT NULL,
    coalesced_as text
);
CREATE TABLE public.push_topics (
    topic text NOT NULL COLLATE pg_catalog."C",
    device_id text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.redirects (
    redirect_number bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    creator text NOT NULL COLLATE pg_catalog."C",
    uri text NOT NULL
);
ALTER TABLE public.redirects ALTER COLUMN redirect_number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.redirects_redirect_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.relations (
    node_id bigint NOT NULL,
    kind text NOT NULL,
    target_id bigint NOT NULL
);
CREATE TABLE public.retracted_payloads (
    node_id bigint NOT NULL,
    retracted_at_seq bigint NOT NULL,
    seq bigint NOT NULL
);
CREATE TABLE public.sources (
    source_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    node text NOT NULL,
    uri text NOT NULL,
    bearer_token text,
    created_at_ms bigint NOT NULL,
    resume_token bytea DEFAULT '\x'::bytea NOT NULL,
    standing jsonb,
    instance bytea,
    fence bigint DEFAULT 0 NOT NULL,
    claimed_until_ms bigint DEFAULT 0 NOT NULL
);
ALTER TABLE public.sources ALTER COLUMN source_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sources_source_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.store (
    only_row smallint NOT NULL,
    id_key bytea NOT NULL,
    CONSTRAINT store_id_key_check CHECK ((length(id_key) = 16)),
    CONSTRAINT store_only_row_check CHECK ((only_row = 1))
);
CREATE TABLE public.subscriptions (
    node_id bigint NOT NULL,
    subscription_id bigint NOT NULL,
    jid text NOT NULL COLLATE pg_catalog."C",
    bare_jid text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    since_seq bigint NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    failing_since_ms bigint,
    failed_seq bigint,
    parked_at_ms bigint,
    sub_id bigint,
    expires_at_ms bigint
);
CREATE TABLE public.usage (
    counted text NOT NULL COLLATE pg_catalog."C",
    scope text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    count bigint NOT NULL
)
WITH (fillfactor='50');
INSERT INTO public._sqlx_migrations VALUES (1, 'init', '2026-11-23 17:18:10.934326+00', true, '\x548b4285cc9a2f9981e6ae472df03a1ea91dc64547b285996616d4e88853f52f884ba04847ff210318af2a48f604a9a3', 176504159);
INSERT INTO public._sqlx_migrations VALUES (2, 'retention', '2026-11-23 17:18:11.12396+00', true, '\x17f18523819938406fc7e2e2270ba3ad05f46b9a2f911fb8e5e269856bcdc89ee06196670c3c222c73a65d9a17d33c33', 35982523);
INSERT INTO public._sqlx_migrations VALUES (3, 'lagging', '2026-11-23 17:18:11.162049+00', true, '\x3629e57a4c3a6fc2559b095c5e69849e52e208d74f10da1a30624ba1280e3dd082ba7c1d8fcd052802eb4eba50278e5f', 26585248);
INSERT INTO public._sqlx_migrations VALUES (4, 'epochs', '2026-11-23 17:18:11.192215+00', true, '\x5be7fb9d2c528831e719e92864125f6d5ad889f777b54d68351f2003442353429146c4c25e08f3988d3989fec1b7f748', 27635489);
INSERT INTO public._sqlx_migrations VALUES (5, 'entities', '2026-11-23 17:18:11.221971+00', true, '\x57d8a592c2dbd8bc60ab4d8f23535cffc8f650c886b4d9d751450b54b82d50bcd06cf8de1876845c82f780cabf05c38a', 11785615);
INSERT INTO public._sqlx_migrations VALUES (6, 'options', '2026-11-23 17:18:11.237554+00', true, '\x6c90b53efb6be7fe758c4e6a533e5536f065a4e93bf37fe9f859fae37e7fafc20ee783bbeb38dfc993082e6cebb2b90f', 7998086);
INSERT INTO public._sqlx_migrations VALUES (7, 'archive', '2026-11-23 17:18:11.249575+00', true, '\x4e4afae5545fd37f316911665709922fec5d49f6d8fff70ca1422110524810905cefbe42a0971467f2a1af8257a139b7', 30027253);
INSERT INTO public._sqlx_migrations VALUES (8, 'pending', '2026-11-23 17:18:11.282534+00', true, '\x8c6e54524ec97f62ba34e10e358a055099a3f70561491b474247f7d5bb1e00cb647fd38cf49329cd96ea2b3a787d6150', 7260019);
INSERT INTO public._sqlx_migrations VALUES (9, 'usage', '2026-11-23 17:18:11.31919+00', true, '\x4173e77b12f6c3a167d45774aa6275fba91024490b491c7d8abc977f8780c3bbf476e36f09b46520195de1d336697fff', 48121947);
INSERT INTO public._sqlx_migrations VALUES (10, 'redirects', '2026-11-23 17:18:11.374832+00', true, '\x5fe804de9089168fcf2fb3fb59f649a25fae205ece9181f46c0a82679be23b88867d40e705d9627a7e128e0780ea49b1', 60183919);
INSERT INTO public._sqlx_migrations VALUES (11, 'presence', '2026-11-23 17:18:11.436612+00', true, '\x6bfcb6a3a2413558def471a13e9cbc707a80397890e28b28f8a6d516e376962de80d5042e0824b98f8daf4973dda6fa6', 28195091);
INSERT INTO public._sqlx_migrations VALUES (12, 'collections', '2026-11-23 17:18:11.507636+00', true, '\x786fe71db7cbca9d607a33370d866b982d9e5eed4dab9d5e4bd980513ac03afc206e46ed799e149edb40d73ee2e1cd30', 41822928);
INSERT INTO public._sqlx_migrations VALUES (13, 'relations', '2026-11-23 17:18:11.548386+00', true, '\x611f9d0a2ac79c0415a35e371c3484963ee7d1f1a331951a3faad14cd5f9aec8fe033dc5c1147afb47b625f4663298d7', 33270212);
INSERT INTO public._sqlx_migrations VALUES (14, 'idempotency', '2026-11-23 17:18:11.589985+00', true, '\x2f9f3bc079954cc48979a9915dfa299934dc8e1272b69016a413fefad0a5dc09a850addc4437bbd52b2b80195efff707', 11644995);
INSERT INTO public._sqlx_migrations VALUES (15, 'consumers', '2026-11-23 17:18:11.605529+00', true, '\x529b30e1378088691eb087f1f4cd8671dd29638098f1ee665366a8919c9dfa19c312edbe48e18352982615571a554843', 40813121);
INSERT INTO public._sqlx_migrations VALUES (16, 'push', '2026-11-23 17:18:11.649178+00', true, '\xf4dce78d2c153ff563b16e95f8e6603ffcdc1972c777ed9637f6a6480d836310c51a6e19ecddde028ff17b71e011632f', 49528072);
INSERT INTO public._sqlx_migrations VALUES (17, 'destinations', '2026-11-23 17:18:11.703208+00', true, '\xac1142451caa0fc1bc84cfef03cac3d1c99fab57b37a681dedee061524001354100422fbc1b10ecaef6f6fb8f11755bb', 14480308);
INSERT INTO public._sqlx_migrations VALUES (18, 'push_accounts', '2026-11-23 17:18:11.720106+00', true, '\xd55c8e2aa88dcae7bd2c06162d4620f9d42e8a48c39dc5d6f716dc4f0cd75e19b70a4797813fc144bedfd4f614398953', 16398830);
INSERT INTO public._sqlx_migrations VALUES (19, 'push_profiles', '2026-11-23 17:18:11.739003+00', true, '\xecc62e73b2ab1ceef2892469ab5e54ee3ea535cb8c9008005ffd525a3efa7291d5959d585214f23e38d08b8b3ac608c5', 40519155);
INSERT INTO public._sqlx_migrations VALUES (20, 'sources', '2026-11-23 17:18:11.781713+00', true, '\x6712478f9030999bf7f0324e6d3102bd5fd9324b644031da567a41a7f625ab74c5b7cafb4999a86f52f525daf58f34d0', 24671354);
INSERT INTO public._sqlx_migrations VALUES (21, 'push_in', '2026-11-23 17:18:11.807455+00', true, '\x60b2d1f40330a4cc917176f108ea4897aa9f3e16bcbc4e92fc423ced35a8cf2658026a4a5a5bdf4ece27ba48ea64e3d5', 29306732);
INSERT INTO public._sqlx_migrations VALUES (22, 'leases', '2026-11-23 17:18:11.837428+00', true, '\x65c0a662411e2919ffda5c37ce7381abc3342b61b135afcb2d4fccc75482061814b353686d658284528db2c9cc073945', 1415073);
INSERT INTO public.affiliations VALUES (1, 'owner@example.org', 'owner');
INSERT INTO public.affiliations VALUES (2, 'owner@example.org', 'owner');
INSERT INTO public.affiliations VALUES (2, 'member@example.org', 'member');
INSERT INTO public.affiliations VALUES (3, 'owner@example.org', 'owner');
INSERT INTO public.affiliations VALUES (4, 'owner@example.org', 'owner');
INSERT INTO public.commits_kept VALUES (1);
INSERT INTO public.cursors VALUES (1, 'xmpp', 3, 1);
INSERT INTO public.events VALUES (1, 1, 1, 'a', 'owner@example.org/"quoted" é', '<a xmlns=''''>äääää</a>', 1700000001000, 1, 0, NULL);
INSERT INTO public.events VALUES (1, 2, 1, 'b', 'owner@example.org/"quoted" é', '<a xmlns=''''>äääää</a>', 1700000002000, 1, 1, NULL);
INSERT INTO public.events VALUES (1, 3, 1, 'a', 'owner@example.org/"quoted" é', '<a xmlns=''''>äääää</a>', 1700000003000, 1, 2, NULL);
INSERT INTO public.events VALUES (1, 4, 1, 'c', 'owner@example.org/"quoted" é', '<a xmlns=''''>äääää</a>', 1700000004000, 1, 3, NULL);
INSERT INTO public.events VALUES (1, 5, 2, 'c', 'owner@example.org/"quoted" é', NULL, 1700000005000, 1, 4, NULL);
INSERT INTO public.events VALUES (1, 6, 1, 'd', 'owner@example.org/"quoted" é', NULL, 1700000006000, 1, 5, NULL);
INSERT INTO public.events VALUES (3, 1, 1, 'x', 'owner@example.org/"quoted" é', '<a xmlns=''''>äääää</a>', 1700000001000, 1, 0, NULL);
INSERT INTO public.events VALUES (3, 2, 1, 'y', 'owner@example.org/"quoted" é', '<a xmlns=''''>äääää</a>', 1700000002000, 1, 1, NULL);
INSERT INTO public.events VALUES (3, 3, 3, NULL, 'owner@example.org/"quoted" é', NULL, 1700000003000, 1, 2, NULL);
INSERT INTO public.events VALUES (3, 4, 1, 'z', 'owner@example.org/"quoted" é', '<a xmlns=''''>äääää</a>', 1700000004000, 1, 3, NULL);
INSERT INTO public.events VALUES (4, 1, 1, 'last', 'owner@example.org/"quoted" é', '<a xmlns=''''>äääää</a>', 1700000001000, 1, 0, NULL);
INSERT INTO public.events VALUES (4, 2, 5, NULL, 'owner@example.org/"quoted" é', NULL, 1700000002000, 1, 1, NULL);
INSERT INTO public.heads VALUES (1, -2, 6, 6, 5, 1, 3, 3, 2, 2, 0, 0, 104);
INSERT INTO public.heads VALUES (2, -2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0);
INSERT INTO public.heads VALUES (3, -2, 4, 4, 3, 1, 1, 1, 0, 0, 3, 0, 78);
INSERT INTO public.heads VALUES (4, -2, 2, 2, 1, 2, 1, 1, 0, 0, 0, 0, 26);
INSERT INTO public.items VALUES (1, 'b', 2, NULL);
INSERT INTO public.items VALUES (1, 'a', 3, 1);
INSERT INTO public.items VALUES (1, 'd', 6, NULL);
INSERT INTO public.items VALUES (3, 'x', 1, NULL);
INSERT INTO public.items VALUES (3, 'y', 2, NULL);
INSERT INTO public.items VALUES (3, 'z', 4, NULL);
INSERT INTO public.items VALUES (4, 'last', 1, NULL);
INSERT INTO public.lagging VALUES (1, 2, 'xmpp', 1, 1, 1700000005000);
INSERT INTO public.nodes OVERRIDING SYSTEM VALUE VALUES (1, 'orders', 'owner@example.org', 5, NULL, '{"about": {"title": null, "contacts": [], "language": null, "description": null, "payload_type": null}, "history": {"bytes_max": 268435456, "events_max": 100000, "age_seconds_max": 604800}, "children": {"max": null, "association_policy": "owners", "association_whitelist": []}, "items_max": 7, "node_type": "leaf", "durability": "fsync", "notify_sub": false, "access_model": "open", "message_type": "automatic", "notify_config": false, "notify_delete": true, "persist_items": true, "publish_model": "publishers", "notify_retract": false, "send_last_item": "never", "multi_subscribe": false, "processing_hint": "none", "when_items_full": "discard_oldest", "deliver_payloads": true, "expose_publisher": false, "payload_bytes_max": null, "allow_subscriptions": true, "item_expire_seconds": null, "deliver_notifications": true, "roster_groups_allowed": [], "when_undelivered_full": "wait", "presence_based_delivery": false, "temporary_subscriptions": false, "purge_when_publisher_goes": false}');
INSERT INTO public.nodes OVERRIDING SYSTEM VALUE VALUES (2, 'closed', 'owner@example.org', 5, NULL, '{"about": {"title": null, "contacts": [], "language": null, "description": null, "payload_type": null}, "history": {"bytes_max": 268435456, "events_max": 100000, "age_seconds_max": 604800}, "children": {"max": null, "association_policy": "owners", "association_whitelist": []}, "items_max": 7, "node_type": "leaf", "durability": "fsync", "notify_sub": false, "access_model": "whitelist", "message_type": "automatic", "notify_config": false, "notify_delete": true, "persist_items": true, "publish_model": "publishers", "notify_retract": false, "send_last_item": "never", "multi_subscribe": false, "processing_hint": "none", "when_items_full": "discard_oldest", "deliver_payloads": true, "expose_publisher": false, "payload_bytes_max": null, "allow_subscriptions": true, "item_expire_seconds": null, "deliver_notifications": true, "roster_groups_allowed": [], "when_undelivered_full": "wait", "presence_based_delivery": false, "temporary_subscriptions": false, "purge_when_publisher_goes": false}');
INSERT INTO public.nodes OVERRIDING SYSTEM VALUE VALUES (3, 'purged', 'owner@example.org', 5, NULL, '{"about": {"title": null, "contacts": [], "language": null, "description": null, "payload_type": null}, "history": {"bytes_max": 268435456, "events_max": 100000, "age_seconds_max": 604800}, "children": {"max": null, "association_policy": "owners", "association_whitelist": []}, "items_max": 7, "node_type": "leaf", "durability": "fsync", "notify_sub": false, "access_model": "open", "message_type": "automatic", "notify_config": false, "notify_delete": true, "persist_items": true, "publish_model": "publishers", "notify_retract": false, "send_last_item": "never", "multi_subscribe": false, "processing_hint": "none", "when_items_full": "discard_oldest", "deliver_payloads": true, "expose_publisher": false, "payload_bytes_max": null, "allow_subscriptions": true, "item_expire_seconds": null, "deliver_notifications": true, "roster_groups_allowed": [], "when_undelivered_full": "wait", "presence_based_delivery": false, "temporary_subscriptions": false, "purge_when_publisher_goes": false}');
INSERT INTO public.nodes OVERRIDING SYSTEM VALUE VALUES (4, 'gone', 'owner@example.org', 5, 9, '{"about": {"title": null, "contacts": [], "language": null, "description": null, "payload_type": null}, "history": {"bytes_max": 268435456, "events_max": 100000, "age_seconds_max": 604800}, "children": {"max": null, "association_policy": "owners", "association_whitelist": []}, "items_max": 7, "node_type": "leaf", "durability": "fsync", "notify_sub": false, "access_model": "open", "message_type": "automatic", "notify_config": false, "notify_delete": true, "persist_items": true, "publish_model": "publishers", "notify_retract": false, "send_last_item": "never", "multi_subscribe": false, "processing_hint": "none", "when_items_full": "discard_oldest", "deliver_payloads": true, "expose_publisher": false, "payload_bytes_max": null, "allow_subscriptions": true, "item_expire_seconds": null, "deliver_notifications": true, "roster_groups_allowed": [], "when_undelivered_full": "wait", "presence_based_delivery": false, "temporary_subscriptions": false, "purge_when_publisher_goes": false}');
INSERT INTO public.retracted_payloads VALUES (1, 5, 4);
INSERT INTO public.store VALUES (1, '\x093d023ba2a731863f8e43c4de7c9738');
INSERT INTO public.subscriptions VALUES (1, 1, 'alice@example.org', 'alice@example.org', 'subscribed', 0, '{"depth": 1, "digest": false, "deliver": true, "show_values": [], "is_temporary": false, "subscription_type": "nodes", "digest_frequency_ms": null}', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.subscriptions VALUES (1, 2, 'bob@example.org/phone', 'bob@example.org', 'subscribed', 0, '{"depth": 1, "digest": false, "deliver": true, "show_values": [], "is_temporary": false, "subscription_type": "nodes", "digest_frequency_ms": null}', 1700000000000, 2, NULL, NULL, NULL);
INSERT INTO public.usage VALUES ('subscriptions', 'jid', 'alice@example.org', 1);
INSERT INTO public.usage VALUES ('subscriptions', 'jid', 'bob@example.org', 1);
INSERT INTO public.usage VALUES ('subscriptions', 'domain', 'example.org', 2);
INSERT INTO public.usage VALUES ('subscriptions', 'total', '', 2);
INSERT INTO public.usage VALUES ('nodes', 'jid', 'owner@example.org', 3);
INSERT INTO public.usage VALUES ('nodes', 'domain', 'example.org', 3);
INSERT INTO public.usage VALUES ('nodes', 'total', '', 3);
SELECT pg_catalog.setval('public.batches_batch_number_seq', 1, false);
SELECT pg_catalog.setval('public.consumers_consumer_id_seq', 1, false);
SELECT pg_catalog.setval('public.nodes_node_id_seq', 4, true);
SELECT pg_catalog.setval('public.redirects_redirect_number_seq', 1, false);
SELECT pg_catalog.setval('public.sources_source_id_seq', 1, false);
ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.affiliations
    ADD CONSTRAINT affiliations_pkey PRIMARY KEY (node_id, jid);
ALTER TABLE ONLY public.associations
    ADD CONSTRAINT associations_pkey PRIMARY KEY (collection_id, child_id);
ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_batch_id_key UNIQUE (batch_id);
ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_pkey PRIMARY KEY (batch_number);
ALTER TABLE ONLY public.commits_kept
    ADD CONSTRAINT commits_kept_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY public.consumer_cursors
    ADD CONSTRAINT consumer_cursors_pkey PRIMARY KEY (node_id, consumer_id);
ALTER TABLE ONLY public.consumer_deliveries
    ADD CONSTRAINT consumer_deliveries_pkey PRIMARY KEY (node_id, seq, consumer_id);
ALTER TABLE ONLY public.consumers
    ADD CONSTRAINT consumers_name_key UNIQUE (name);
ALTER TABLE ONLY public.consumers
    ADD CONSTRAINT consumers_pkey PRIMARY KEY (consumer_id);
ALTER TABLE ONLY public.cursors
    ADD CONSTRAINT cursors_pkey PRIMARY KEY (node_id, leg);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (node_id, seq);
ALTER TABLE ONLY public.heads
    ADD CONSTRAINT heads_pkey PRIMARY KEY (node_id);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (node_id, principal, key);
ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (node_id, item_id);
ALTER TABLE ONLY public.lagging
    ADD CONSTRAINT lagging_pkey PRIMARY KEY (node_id, subscription_id, leg);
ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (node_id);
ALTER TABLE ONLY public.push_devices
    ADD CONSTRAINT push_devices_pkey PRIMARY KEY (device_id);
ALTER TABLE ONLY public.push_inlets
    ADD CONSTRAINT push_inlets_device_id_key UNIQUE (device_id);
ALTER TABLE ONLY public.push_inlets
    ADD CONSTRAINT push_inlets_pkey PRIMARY KEY (inlet_id);
ALTER TABLE ONLY public.push_jobs
    ADD CONSTRAINT push_jobs_pkey PRIMARY KEY (job_id);
ALTER TABLE ONLY public.push_topics
    ADD CONSTRAINT push_topics_pkey PRIMARY KEY (topic, device_id);
ALTER TABLE ONLY public.redirects
    ADD CONSTRAINT redirects_name_key UNIQUE (name);
ALTER TABLE ONLY public.redirects
    ADD CONSTRAINT redirects_pkey PRIMARY KEY (redirect_number);
ALTER TABLE ONLY public.relations
    ADD CONSTRAINT relations_pkey PRIMARY KEY (node_id);
ALTER TABLE ONLY public.retracted_payloads
    ADD CONSTRAINT retracted_payloads_pkey PRIMARY KEY (node_id, retracted_at_seq, seq);
ALTER TABLE ONLY public.sources
    ADD CONSTRAINT sources_name_key UNIQUE (name);
ALTER TABLE ONLY public.sources
    ADD CONSTRAINT sources_pkey PRIMARY KEY (source_id);
ALTER TABLE ONLY public.store
    ADD CONSTRAINT store_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (node_id, subscription_id);
ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_pkey PRIMARY KEY (counted, scope, owner);
CREATE INDEX affiliations_by_entity ON public.affiliations USING btree (jid, node_id);
CREATE INDEX associations_by_child ON public.associations USING btree (child_id, collection_id);
CREATE INDEX consumer_cursors_by_consumer ON public.consumer_cursors USING btree (consumer_id, node_id);
CREATE INDEX consumer_deliveries_by_consumer ON public.consumer_deliveries USING btree (consumer_id, node_id, seq);
CREATE INDEX consumers_by_owner ON public.consumers USING btree (owner, name);
CREATE INDEX consumers_with_destination ON public.consumers USING btree (name) WHERE ((config -> 'destination'::text) IS NOT NULL);
CREATE INDEX idempotency_keys_by_expiry ON public.idempotency_keys USING btree (expires_at_ms);
CREATE INDEX items_by_creation ON public.items USING btree (node_id, created_seq) WHERE (created_seq IS NOT NULL);
CREATE UNIQUE INDEX items_by_seq ON public.items USING btree (node_id, seq);
CREATE INDEX items_never_overwritten ON public.items USING btree (node_id, seq) WHERE (created_seq IS NULL);
CREATE INDEX nodes_deleted ON public.nodes USING btree (node_id) WHERE (deleted_at_ms IS NOT NULL);
CREATE UNIQUE INDEX nodes_live_name ON public.nodes USING btree (name) WHERE (deleted_at_ms IS NULL);
CREATE INDEX nodes_on_presence ON public.nodes USING btree (node_id) WHERE ((((config ->> 'temporary_subscriptions'::text) = 'true'::text) OR ((config ->> 'send_last_item'::text) = 'on_subscribe_and_presence'::text)) AND (deleted_at_ms IS NULL));
CREATE INDEX nodes_purged_on_presence ON public.nodes USING btree (node_id) WHERE (((config ->> 'purge_when_publisher_goes'::text) = 'true'::text) AND (deleted_at_ms IS NULL));
CREATE INDEX nodes_relaxed ON public.nodes USING btree (node_id) WHERE (((config ->> 'durability'::text) = 'relaxed'::text) AND (deleted_at_ms IS NULL));
CREATE INDEX push_devices_by_owner ON public.push_devices USING btree (owner, device_id);
CREATE INDEX push_devices_by_seen ON public.push_devices USING btree (seen_at_ms);
CREATE UNIQUE INDEX push_devices_by_token ON public.push_devices USING btree (provider, token);
CREATE INDEX push_inlets_by_owner ON public.push_inlets USING btree (owner, inlet_id);
CREATE UNIQUE INDEX push_jobs_coalesced ON public.push_jobs USING btree (coalesced_as) WHERE (coalesced_as IS NOT NULL);
CREATE INDEX push_jobs_dead ON public.push_jobs USING btree (job_id) WHERE (state = 'dead'::text);
CREATE INDEX push_jobs_due ON public.push_jobs USING btree (provider, account, due_at_ms) INCLUDE (enqueued_at_ms, state) WHERE (state = 'waiting'::text);
CREATE INDEX push_jobs_finished ON public.push_jobs USING btree (finished_at_ms) WHERE (finished_at_ms IS NOT NULL);
CREATE INDEX push_topics_by_device ON public.push_topics USING btree (device_id);
CREATE INDEX redirects_by_creator ON public.redirects USING btree (creator, redirect_number);
CREATE INDEX relations_by_target ON public.relations USING btree (target_id, node_id);
CREATE INDEX retracted_payloads_by_event ON public.retracted_payloads USING btree (node_id, seq);
CREATE INDEX sources_by_owner ON public.sources USING btree (owner, name);
CREATE INDEX subscriptions_by_entity ON public.subscriptions USING btree (bare_jid, node_id, subscription_id);
CREATE INDEX subscriptions_by_subscriber ON public.subscriptions USING btree (node_id, bare_jid);
CREATE INDEX subscriptions_leased ON public.subscriptions USING btree (expires_at_ms) WHERE (expires_at_ms IS NOT NULL);
CREATE INDEX subscriptions_parked ON public.subscriptions USING btree (node_id, subscription_id) WHERE (parked_at_ms IS NOT NULL);
CREATE INDEX subscriptions_pending ON public.subscriptions USING btree (node_id, subscription_id) WHERE (state = 'pending'::text);
CREATE INDEX subscriptions_temporary ON public.subscriptions USING btree (node_id, subscription_id) WHERE ((options ->> 'is_temporary'::text) = 'true'::text);
ALTER TABLE ONLY public.push_inlets
    ADD CONSTRAINT push_inlets_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.push_devices(device_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.push_topics
    ADD CONSTRAINT push_topics_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.push_devices(device_id) ON DELETE CASCADE;
