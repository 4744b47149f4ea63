-- 应用角色的最小权限：账簿和留痕只能增加，不能改、不能删。
--
-- 建表和升级（jinsuan migrate）用表的所有者；网站和后台用这里的角色 jinsuan_app，它不拥有任何表，
-- 所以也关不掉触发器。先由数据库管理员建角色一次：
--     CREATE ROLE jinsuan_app LOGIN PASSWORD '……';
-- 然后每次升级之后，由表的所有者运行一次（可以重复运行）：
--     psql "$OWNER_URL" -v ON_ERROR_STOP=1 --single-transaction -f deploy/grants.sql
-- 最后让网站和后台的 DATABASE_URL 用 jinsuan_app。

GRANT USAGE ON SCHEMA public TO jinsuan_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO jinsuan_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO jinsuan_app;

-- Only ever added to. Without UPDATE, DELETE and TRUNCATE the triggers are the second guard.
REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER
    ON ledger_transfer, ledger_audit_row, ledger_block, ledger_sealed_row FROM jinsuan_app;

-- The sealer deletes what it has sealed; nothing else changes there.
REVOKE UPDATE, TRUNCATE, REFERENCES, TRIGGER ON ledger_waiting_row FROM jinsuan_app;

-- An account's totals move with its transfers (ledger_post runs with the caller's rights); its
-- code, kind and overdraft never change.
REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON ledger_account FROM jinsuan_app;
GRANT UPDATE (debits_fen, credits_fen, debits_pending_fen, credits_pending_fen)
    ON ledger_account TO jinsuan_app;

-- Which migrations ran is the owner's business.
REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM jinsuan_app;
