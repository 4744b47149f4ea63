"""Organisations, people, centres with their machines, agents' keys, tokens. Shape only."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Role


class Person(AbstractUser):
    """自然人: somebody who logs in. Phone and identity number are ciphertext; see `personal`."""

    id = models.UUIDField(primary_key=True, default=new_id)
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    display_name = models.CharField("姓名", max_length=60, blank=True)
    phone_sealed = models.BinaryField(null=True)
    phone_index = models.BinaryField(null=True, unique=True)  # keyed hash: equality, no content
    identity_sealed = models.BinaryField(null=True)

    class Meta:
        verbose_name = "人员"

    def __str__(self) -> str:
        return self.display_name or self.username


class Organisation(models.Model):
    """机构: a legal person or body with its 统一社会信用代码."""

    class Kind(models.TextChoices):
        """What sort of organisation it is."""

        COMPANY = "company", "企业"
        UNIVERSITY = "university", "高校"
        INSTITUTE = "institute", "科研机构"
        GOVERNMENT = "government", "机关"

    id = models.UUIDField(primary_key=True, default=new_id)
    uscc = models.CharField(max_length=18, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    adcode = models.CharField(max_length=6)  # the city's 行政区划代码
    bank_sealed = models.BinaryField(null=True)  # 银行账号, ciphertext

    class Meta:
        verbose_name = "机构"
        constraints = [
            models.CheckConstraint(
                name="organisation_uscc_form", condition=Q(uscc__regex=r"^[0-9A-HJ-NP-RTUWXY]{18}$")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Relation(models.Model):
    """关联线索: one thing that an organisation has and another may have too. Only a digest of it is
    kept, so equality shows and content does not. Ended, never deleted.
    """

    class Kind(models.TextChoices):
        """What it is."""

        SHAREHOLDER = "shareholder", "股东"
        LEGAL_PERSON = "legal_person", "法定代表人"
        DIRECTOR = "director", "董事、监事或高管"
        PHONE = "phone", "联系电话"
        BANK_ACCOUNT = "bank_account", "银行账户"
        DEVICE = "device", "登录设备"
        ADDRESS = "address", "注册或经营地址"

    id = models.UUIDField(primary_key=True, default=new_id)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="relations")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    key = models.BinaryField(max_length=32, db_index=True)  # see `relations.py`
    share_bps = models.IntegerField(null=True)  # of the organisation, for a shareholder
    source = models.CharField(max_length=120)  # 企业登记, 申报材料 …
    recorded_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="relation_once",
                fields=["organisation", "kind", "key"],
                condition=Q(ended_at__isnull=True),
            ),
            models.CheckConstraint(
                name="relation_share",
                condition=Q(share_bps__isnull=True)
                | Q(kind="shareholder", share_bps__gt=0, share_bps__lte=10_000),
            ),
            models.CheckConstraint(name="relation_says_whence", condition=~Q(source="")),
        ]

    def __str__(self) -> str:
        return f"{self.organisation_id}/{self.kind}"


class Body(models.Model):
    """推荐单位: a city, the reform zone or a provincial unit that may recommend applicants."""

    id = models.UUIDField(primary_key=True, default=new_id)
    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=60)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, null=True)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """任职: which role a person has for an organisation, from a day to a day (not included)."""

    id = models.UUIDField(primary_key=True, default=new_id)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="members")
    role = models.CharField(max_length=30, choices=[(r.value, r.value) for r in Role])
    body = models.ForeignKey(Body, on_delete=models.PROTECT, null=True)
    effective_from = models.DateField()
    effective_to = models.DateField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="membership_once",
                fields=["person", "organisation", "role", "body", "effective_from"],
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="membership_dates",
                condition=Q(effective_to__isnull=True) | Q(effective_to__gt=F("effective_from")),
            ),
            models.CheckConstraint(
                name="membership_body_of_recommender",
                condition=Q(role="recommender", body__isnull=False)
                | (~Q(role="recommender") & Q(body__isnull=True)),
            ),
            models.CheckConstraint(name="membership_never_system", condition=~Q(role="system")),
        ]

    def __str__(self) -> str:
        return f"{self.person_id}/{self.role}"


class Centre(models.Model):
    """算力中心: a site that takes jobs."""

    class Kind(models.TextChoices):
        """算力类型."""

        INTELLIGENT = "智算", "智算"
        GENERAL = "通算", "通算"
        SUPER = "超算", "超算"
        EDGE = "边缘", "边缘"

    class State(models.TextChoices):
        """Whether it takes new jobs."""

        OPEN = "open", "正常"
        PAUSED = "paused", "暂停接单"
        DRAINING = "draining", "排空"

    id = models.UUIDField(primary_key=True, default=new_id)
    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    owner = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="centres")
    adcode = models.CharField(max_length=6)
    network = models.CharField(max_length=40, blank=True, default="")
    industry = models.CharField(max_length=40, blank=True, default="")
    kind = models.CharField(max_length=4, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    state_reason = models.CharField(max_length=200, blank=True, default="")
    effective_from = models.DateField()
    effective_to = models.DateField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="centre_closed_with_reason", condition=Q(state="open") | ~Q(state_reason="")
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Cluster(models.Model):
    """集群: the machines of one engine at one centre."""

    id = models.UUIDField(primary_key=True, default=new_id)
    centre = models.ForeignKey(Centre, on_delete=models.PROTECT, related_name="clusters")
    name = models.CharField(max_length=60)
    engine = models.CharField(max_length=20)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="cluster_name", fields=["centre", "name"]),
        ]

    def __str__(self) -> str:
        return self.name


class Node(models.Model):
    """节点: a server. What is reserved of it can never exceed what it has."""

    id = models.UUIDField(primary_key=True, default=new_id)
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="nodes")
    name = models.CharField(max_length=120)
    model = models.CharField(max_length=60, null=True)
    cpu_milli = models.BigIntegerField()
    memory_mib = models.BigIntegerField()
    cpu_reserved_milli = models.BigIntegerField(default=0)
    memory_reserved_mib = models.BigIntegerField(default=0)
    online = models.BooleanField(default=True)
    effective_from = models.DateField()
    doubt = models.CharField(max_length=200, blank=True, default="")  # a report kept out, and why

    class Meta:
        constraints = [
            models.UniqueConstraint(name="node_name", fields=["cluster", "name"]),
            models.CheckConstraint(
                name="node_cpu_within",
                condition=Q(cpu_reserved_milli__gte=0) & Q(cpu_reserved_milli__lte=F("cpu_milli")),
            ),
            models.CheckConstraint(
                name="node_memory_within",
                condition=Q(memory_reserved_mib__gte=0)
                & Q(memory_reserved_mib__lte=F("memory_mib")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Card(models.Model):
    """加速卡: one accelerator of a node; `reserved_milli` thousandths of it are taken."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="cards")
    index = models.IntegerField()
    reserved_milli = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="card_index", fields=["node", "index"]),
            models.CheckConstraint(
                name="card_within", condition=Q(reserved_milli__gte=0) & Q(reserved_milli__lte=1000)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.node_id}#{self.index}"


class CapacityChange(models.Model):
    """容量变动: what a node is from a day on. Only ever added: the last row of a day counts."""

    class Source(models.TextChoices):
        """Who said so."""

        AGENT = "agent", "代理上报"
        IMPORT = "import", "清单导入"

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="changes")
    effective_on = models.DateField()  # a Beijing day
    recorded_at = models.DateTimeField()  # ours
    model = models.CharField(max_length=60, null=True)
    cards = models.IntegerField()
    cpu_milli = models.BigIntegerField()
    memory_mib = models.BigIntegerField()
    online = models.BooleanField()
    source = models.CharField(max_length=10, choices=Source.choices)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="capacity_change_not_negative",
                condition=Q(cards__gte=0) & Q(cpu_milli__gte=0) & Q(memory_mib__gte=0),
            ),
        ]
        indexes = [
            models.Index(name="capacity_change_by_day", fields=["node", "-effective_on", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.node_id}@{self.effective_on}"


class Reservation(models.Model):
    """预留: the part of one node that one attempt holds."""

    attempt = models.UUIDField()
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="reservations")
    cards = ArrayField(models.IntegerField())
    card_milli = models.IntegerField()
    cpu_milli = models.BigIntegerField()
    memory_mib = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="reservation_once", fields=["attempt", "node"]),
        ]

    def __str__(self) -> str:
        return f"{self.attempt}@{self.node_id}"


class AgentKey(models.Model):
    """代理公钥: the Ed25519 key with which a centre's agent signs."""

    id = models.UUIDField(primary_key=True, default=new_id)
    centre = models.ForeignKey(Centre, on_delete=models.PROTECT, related_name="keys")
    public_key = models.BinaryField(max_length=32, unique=True)
    enrolled_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="agent_key_one_live", fields=["centre"], condition=Q(revoked_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class EnrolmentCode(models.Model):
    """登记码: lets an agent register its key once. Only its hash is kept."""

    id = models.UUIDField(primary_key=True, default=new_id)
    centre = models.ForeignKey(Centre, on_delete=models.PROTECT, related_name="codes")
    code_sha256 = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.id)


class AgentChannel(models.Model):
    """代理通道: the last message accepted from a centre's agent."""

    centre = models.OneToOneField(
        Centre, on_delete=models.PROTECT, primary_key=True, related_name="channel"
    )
    boot = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0)
    agent_version = models.CharField(max_length=40, default="")
    last_seen_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.centre_id)


class ApiToken(models.Model):
    """访问令牌: stands for one person in one role for one organisation. Only its hash is kept."""

    id = models.UUIDField(primary_key=True, default=new_id)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="tokens")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=30, choices=[(r.value, r.value) for r in Role])
    scopes = ArrayField(models.CharField(max_length=40))
    token_sha256 = models.BinaryField(max_length=32, unique=True)
    label = models.CharField(max_length=60)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.label
