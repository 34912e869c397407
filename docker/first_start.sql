-- The database and the extensions of a new server.
-- variable: database

CREATE DATABASE :"database";
\connect :"database"
CREATE EXTENSION vibe_orchestrator;
CREATE EXTENSION pg_cron;
SELECT * FROM vibe.enable_cron('*/10 * * * *');
