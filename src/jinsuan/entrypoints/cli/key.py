"""`jinsuan key …`: the keys under which personal data is sealed."""

from __future__ import annotations

import typer

app = typer.Typer(help="数据密钥：个人信息和两步验证加密用的密钥。", no_args_is_help=True)


@app.command()
def new() -> None:
    """生成一把新密钥，打印一次，不保存。写入环境变量 JINSUAN_DATA_KEY；换钥时写在旧钥前面，逗号隔开。"""
    from jinsuan.registry.sealing import new_key

    typer.echo(new_key())


@app.command()
def rotate() -> None:
    """用 JINSUAN_DATA_KEY 里的第一把密钥重新加密全部个人信息、银行账号和两步验证的密钥。完成后可以撤下其余密钥；重复运行无害。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from django.db import transaction

    from jinsuan.casework.actions.payees import reseal_payee_accounts
    from jinsuan.entrypoints import clock
    from jinsuan.entrypoints.data_keys import keyring
    from jinsuan.kernel.ref import Actor
    from jinsuan.registry.actions.personal import reseal
    from jinsuan.vouchers.actions.bank_accounts import reseal_bank_accounts

    keys, actor, now = keyring(), Actor.system("cli"), clock.now()
    with transaction.atomic():
        count = reseal(keys=keys, actor=actor, now=now)
        count += reseal_payee_accounts(keys=keys, actor=actor, now=now)
        count += reseal_bank_accounts(keys=keys, actor=actor, now=now)
    typer.echo(f"重新加密 {count} 项；现在全部用密钥 {keys.first.id}。其余密钥可以撤下。")
