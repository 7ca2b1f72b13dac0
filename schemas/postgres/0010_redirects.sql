-- Where nodes have moved that were deleted (XEP-0060 §8.4.1). Twin of the other stores' migrations with the same number.
-- A row goes when a node gets the name, or when too many others have come since. It does not start with the node, which
-- is gone.
CREATE TABLE redirects (
    redirect_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the oldest ones go first
    name            text COLLATE "C" NOT NULL UNIQUE,
    creator         text COLLATE "C" NOT NULL,                      -- bare, of the node
    uri             text NOT NULL
);

CREATE INDEX redirects_by_creator ON redirects (creator, redirect_number);
