-- Run once, when PostgreSQL makes its folder. The tables come from "anb migrate up".
ALTER DATABASE anb_db SET timezone TO 'UTC';
-- A client that died within a transaction must not hold its locks for ever.
ALTER DATABASE anb_db SET idle_in_transaction_session_timeout TO '5min';
