"""Addresses of the pages. Words people read are Chinese; identifiers stay as they are."""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic.base import RedirectView

from jinsuan.entrypoints.portal.preferences import display
from jinsuan.entrypoints.portal.readonly_admin import site
from jinsuan.entrypoints.portal.refusals import not_found
from jinsuan.entrypoints.portal.views import (
    apply,
    audit_book,
    audit_rows,
    audit_seal,
    bank,
    calculator,
    cases,
    clawbacks,
    desk,
    differences,
    home,
    jobs,
    live,
    notifications,
    order,
    orders,
    payees,
    payments,
    people,
    policy,
    pool,
    redeem,
    resources,
    sandbox,
    statements,
    trace,
    wallet,
    works,
)

pages: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("近况", home.home_live, name="home_live"),
    path("算力资源", resources.resources, name="resources"),
    path("算力资源/<str:code>", resources.centre, name="centre"),
    path("作业", jobs.jobs, name="jobs"),
    path("作业/下单", order.order, name="order"),
    path("作业/下单/草稿", order.draft, name="draft"),
    path("作业/<str:job_id>", jobs.job, name="job"),
    path("作业/<str:job_id>/近况", live.job_live, name="job_live"),
    path("作业/<str:job_id>/日志", live.job_log, name="job_log"),
    path("作业/<str:job_id>/日志全文", live.job_log_file, name="job_log_file"),
    path("作业/<str:job_id>/停止", jobs.stop, name="stop"),
    path("账户", wallet.wallet, name="wallet"),
    path("对账单", statements.statement, name="statement"),
    path("对账单/文件", statements.statement_file, name="statement_file"),
    path("长任务", works.works, name="works"),
    path("长任务/近况", works.works_live, name="works_live"),
    path("长任务/<str:work>/文件", works.work_file, name="work_file"),
    path("长任务/<str:work>/停止", works.work_stop, name="work_stop"),
    path("办理", cases.desk, name="cases"),
    path("案件/<str:number>", cases.case, name="case"),
    path("案件/<str:number>/附件/<str:attachment>", cases.paper, name="paper"),
    path("拨付", payments.payments, name="payments"),
    path("拨付/<str:number>", payments.payment, name="payment"),
    path("拨付/<str:number>/银行文件", payments.payment_file, name="payment_file"),
    path("退款结算", orders.cash_orders, name="cash_orders"),
    path("退款结算/银行文件", orders.cash_order_file, name="cash_order_file"),
    path("退款结算/<str:number>", orders.cash_order, name="cash_order"),
    path("收款账户", payees.payees, name="payees"),
    path("银行流水", bank.bank, name="bank"),
    path("银行流水/文件/<str:file_id>", bank.bank_file_page, name="bank_file"),
    path("银行流水/<str:entry_id>", bank.bank_entry, name="bank_entry"),
    path("追缴", clawbacks.clawbacks, name="clawbacks"),
    path("追缴/<str:clawback_id>", clawbacks.clawback, name="clawback"),
    path("差异", differences.differences, name="differences"),
    path("中心", desk.desk, name="desk"),
    path("中心/<str:code>", desk.desk_centre, name="desk_centre"),
    path("政策", policy.policies, name="policies"),
    path("政策/<str:pack_id>", policy.policy, name="policy"),
    path("政策/<str:pack_id>/计算器", calculator.calculator, name="calculator"),
    path("政策沙盘", sandbox.sandbox, name="sandbox"),
    path("算力券/申领", apply.apply, name="apply"),
    path("算力券/申领/<str:number>", apply.application, name="application"),
    path("算力券/兑付", redeem.redemptions, name="redemptions"),
    path("算力券/兑付/<str:number>", redeem.redemption, name="redemption"),
    path("公示公告", pool.notices, name="notices"),
    path("审计", audit_book.accounts, name="audit"),
    path("审计/账户/<str:code>", audit_book.account, name="audit_account"),
    path("审计/留痕", audit_rows.audit_rows, name="audit_rows"),
    path("审计/留痕/<int:number>", audit_rows.audit_row, name="audit_row"),
    path("审计/留痕/<int:number>/证明", audit_rows.audit_proof, name="audit_proof"),
    path("审计/封存", audit_seal.audit_seal, name="audit_seal"),
    path("转账/<str:transfer_id>", trace.trace, name="trace"),
    path("转账/<str:transfer_id>/溯源包", trace.bundle, name="trace-bundle"),
    path("通知", notifications.notifications, name="notifications"),
    path("通知/<str:notification_id>", notifications.notification, name="notification"),
    path("身份", people.acting, name="acting"),
    path("显示", display, name="display"),
    path("无障碍", people.accessibility, name="accessibility"),
    path("数据口径", people.definitions, name="definitions"),
]

# The names are allauth's; its other pages (sign up, e-mail) do not exist here.
accounts: list[URLPattern | URLResolver] = [
    path("登录", account.login, name="account_login"),
    path("退出", account.logout, name="account_logout"),
    path("停用", account.account_inactive, name="account_inactive"),
    path("再次确认", account.reauthenticate, name="account_reauthenticate"),
    path("改密码", account.password_change, name="account_change_password"),
    # Whoever comes in by another provider has no password here and gets none.
    path("设密码", not_found, name="account_set_password"),
    path("两步验证", mfa.index, name="mfa_index"),
    path("两步验证/登录", mfa.authenticate, name="mfa_authenticate"),
    path("两步验证/再次确认", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("两步验证/启用", totp.activate_totp, name="mfa_activate_totp"),
    path("两步验证/停用", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("两步验证/备用码", recovery.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "两步验证/备用码/生成", recovery.generate_recovery_codes, name="mfa_generate_recovery_codes"
    ),
    path(
        "两步验证/备用码/下载", recovery.download_recovery_codes, name="mfa_download_recovery_codes"
    ),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include((pages, "portal"))),
    *accounts,
    path("管理", RedirectView.as_view(pattern_name="admin:index")),
    path("管理/", site.urls),
]
