-- An archive shows nothing of what was taken back, and asks so of each event (XEP-0313 §3.2).
CREATE INDEX retracted_payloads_by_event ON retracted_payloads (node_id, seq);
