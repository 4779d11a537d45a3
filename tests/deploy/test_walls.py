"""Who may speak to whom, worked out from the rules as AWS would: allowed by the sender's group and the receiver's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.deploy.templates import Template

PORTS = (80, 443, 6379, 8080, 9223)

#: Addresses that are nobody's on the internet.
NOT_PUBLIC = [
    ipaddress.IPv4Network(cidr)
    for cidr in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
    )
]

SERVICE, FRONT, OTHER_BROWSER, INTERNET = "10.0.16.7", "10.0.4.7", "10.0.192.7", "93.184.216.34"


@dataclass(frozen=True)
class Rule:
    """One rule of a group: with `peer`, a group's logical name, a CIDR, or a prefix list's logical name."""

    protocol: str
    ports: range
    peer: str

    @classmethod
    def of(cls, written: dict[str, Any]) -> Rule:
        peers = ("CidrIp", "SourceSecurityGroupId", "DestinationSecurityGroupId", "DestinationPrefixListId")
        (peer,) = [str(written[name]) for name in peers if name in written]
        ports = range(written.get("FromPort", 0), written.get("ToPort", 65_535) + 1)
        return cls(
            str(written["IpProtocol"]), ports, peer.removeprefix("${").removesuffix(".GroupId}").removesuffix("}")
        )


class Walls:
    """The security groups of firewall.yaml."""

    def __init__(self, **given: str) -> None:
        template = Template("firewall", **given)
        self.groups = template.resources("AWS::EC2::SecurityGroup")
        self.egress = {
            name: [Rule.of(one) for one in group["SecurityGroupEgress"]] for name, group in self.groups.items()
        }
        self.ingress = {
            name: [Rule.of(one) for one in group.get("SecurityGroupIngress", [])] for name, group in self.groups.items()
        }
        for one in template.resources("AWS::EC2::SecurityGroupIngress").values():
            self.ingress[one["GroupId"].removeprefix("${").removesuffix(".GroupId}")].append(Rule.of(one))
        (public,) = template.resources("AWS::EC2::PrefixList").values()
        self.public = [ipaddress.IPv4Network(entry["Cidr"]) for entry in public["Entries"]]
        self.public_entries = public["MaxEntries"]

    def conversations(self) -> Iterator[tuple[str, str, int]]:
        """Every conversation between two groups, at private addresses, that both of them allow."""
        for sender in self.groups:
            for receiver in self.groups:
                for port in PORTS:
                    out = any(
                        rule.peer in (receiver, "0.0.0.0/0") and port in rule.ports for rule in self.egress[sender]
                    )
                    into = any(rule.peer == sender and port in rule.ports for rule in self.ingress[receiver])
                    if out and into:
                        yield sender.removesuffix("SecurityGroup"), receiver.removesuffix("SecurityGroup"), port

    def browser_reaches(self, address: str) -> bool:
        """Whether a browser's group lets it begin a conversation with an address."""
        there = ipaddress.IPv4Address(address)
        return any(
            rule.peer == "PublicAddresses" and any(there in network for network in self.public)
            for rule in self.egress["BrowserSecurityGroup"]
        )


def test_exactly_these_conversations_are_possible() -> None:
    """Whatever is not in this list can't happen, whoever asks for it."""
    walls = Walls()

    possible = set(walls.conversations())

    assert possible == {
        ("Alb", "Api", 8080),
        ("Alb", "Gateway", 8080),
        ("GuestDoor", "Api", 8080),
        ("Gateway", "Browser", 9223),
        ("Browser", "GuestDoor", 80),
        ("Api", "Redis", 6379),
        ("Worker", "Redis", 6379),
        ("Gateway", "Redis", 6379),
        # Images and logs: Fargate fetches and ships them from a task's own address.
        ("Browser", "Pull", 443),
        ("Api", "Pull", 443),
        ("Worker", "Pull", 443),
        ("Gateway", "Pull", 443),
        ("Api", "Endpoint", 443),
        ("Worker", "Endpoint", 443),
        ("Gateway", "Endpoint", 443),
    }


def test_from_outside_only_https_is_open() -> None:
    """One port of one group; in direct mode also the browsers', for the callers that were named."""
    outside = {
        (name, rule.peer, rule.ports)
        for name, rules in Walls().ingress.items()
        for rule in rules
        if not rule.peer.endswith("SecurityGroup")
    }
    direct = {
        (rule.peer, rule.ports)
        for rule in Walls(DirectMode="true", CallerCidr="198.51.100.0/24").ingress["BrowserSecurityGroup"]
        if not rule.peer.endswith("SecurityGroup")
    }

    assert outside == {("AlbSecurityGroup", "0.0.0.0/0", range(443, 444))}
    assert direct == {("198.51.100.0/24", range(9223, 9224))}


def test_every_group_says_what_it_may_begin() -> None:
    """A group without egress rules gets AWS's own, which allows everything."""
    egress = Walls().egress

    assert all(egress.values())
    assert not [
        name for name, rules in egress.items() if any(rule.protocol == "-1" and "/0" in rule.peer for rule in rules)
    ]


def test_public_addresses_are_all_of_them_and_no_others() -> None:
    """The list is the complement, to the address, of what is private, link-local, shared, loopback or multicast."""
    public = Walls().public

    listed = sum(network.num_addresses for network in public)
    assert len(list(ipaddress.collapse_addresses(public))) == len(public), "ranges overlap or can be joined"
    assert not [(one, other) for one in public for other in NOT_PUBLIC if one.overlaps(other)]
    assert listed == 2**32 - sum(network.num_addresses for network in NOT_PUBLIC)


def test_the_browsers_rules_fit_into_their_group() -> None:
    """A prefix list counts as its greatest length, and a group has 60 rules in each direction."""
    walls = Walls()

    rules = walls.egress["BrowserSecurityGroup"]

    assert len(walls.public) <= walls.public_entries
    assert walls.public_entries + len(rules) - 1 <= 60


@pytest.mark.parametrize(
    "address", [SERVICE, OTHER_BROWSER, "10.200.0.1", "172.31.0.2", "169.254.169.254", "169.254.170.2"]
)
def test_a_page_reaches_no_private_address(address: str) -> None:
    """Neither this network, nor one that is peered with it, nor a metadata service that a route would lead to."""
    assert not Walls().browser_reaches(address)


def test_a_page_reaches_the_internet() -> None:
    """That is what a browser is for."""
    assert Walls().browser_reaches(INTERNET)
    assert Walls().browser_reaches("169.250.0.1")


# -- The second wall --------------------------------------------------------------------------------------------------

TCP, UDP, ICMP, ALL = 6, 17, 1, -1


class Acl:
    """The browsers' network ACL: rules in the order of their numbers, the first that fits decides, none denies."""

    def __init__(self, **given: str) -> None:
        entries = Template("acl", **given).resources("AWS::EC2::NetworkAclEntry").values()
        self._entries = sorted(entries, key=lambda entry: entry["RuleNumber"])
        self._networks = {entry["CidrBlock"]: ipaddress.IPv4Network(entry["CidrBlock"]) for entry in entries}

    def lets(self, way: str, address: str, port: int, protocol: int = TCP) -> bool:
        """Whether a packet passes: `out` to that address and port, or `in` from that address to that port."""
        there = ipaddress.IPv4Address(address)
        for entry in self._entries:
            if entry.get("Egress", False) is not (way == "out") or entry["Protocol"] not in (protocol, ALL):
                continue
            if there not in self._networks[entry["CidrBlock"]]:
                continue
            if "PortRange" in entry and not entry["PortRange"]["From"] <= port <= entry["PortRange"]["To"]:
                continue
            return bool(entry["RuleAction"] == "allow")
        return False

    def talks(self, address: str, port: int, *, protocol: int = TCP) -> bool:
        """Whether a browser can begin a conversation with that address, and be answered."""
        return self.lets("out", address, port, protocol) and self.lets("in", address, 45_000, protocol)

    def answers(self, address: str, *, from_port: int = 45_000) -> bool:
        """Whether somebody at that address can begin a conversation with a browser, and be answered."""
        return self.lets("in", address, 9223) and self.lets("out", address, from_port)


def test_without_the_groups_a_page_still_reaches_nothing_but_its_doors() -> None:
    """The ACL alone keeps browsers from the services, Redis, the endpoints' other ports, and each other."""
    acl = Acl()

    reached = {
        (address, port)
        for address in (SERVICE, FRONT, OTHER_BROWSER, "10.77.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1")
        for port in (22, 80, 443, 6379, 8080, 9223)
        if acl.talks(address, port)
    }

    assert reached == {(FRONT, 80), (FRONT, 443)}


def test_the_gateway_is_answered_and_the_internet_reached() -> None:
    """A wall that keeps everything out would be simple."""
    acl = Acl()

    assert acl.answers(SERVICE)
    assert acl.talks(INTERNET, 443)
    assert acl.talks(INTERNET, 8443)
    assert acl.talks(INTERNET, 443, protocol=UDP)


def test_answers_to_the_gateway_reach_no_port_on_which_anything_listens() -> None:
    """An ACL can't tell an answer from a question, so that questions must find nobody at those ports."""
    acl = Acl()

    open_ports = {port for port in range(65_536) if acl.lets("out", SERVICE, port)}

    assert open_ports == set(range(32_768, 61_000))
    assert not open_ports & {*PORTS, 22, 53, 5432}


def test_nobody_outside_begins_a_conversation_unless_in_direct_mode() -> None:
    """And then only the callers that were named, from whatever port their system chose."""
    direct = Acl(DirectMode="true", CallerCidr="198.51.100.0/24")

    assert not Acl().lets("in", "198.51.100.9", 9223)
    assert direct.answers("198.51.100.9", from_port=1025)
    assert not direct.lets("in", INTERNET, 9223)


def test_browsers_hear_nothing_from_their_neighbours() -> None:
    """Neither other browsers nor services reach a port of a browser, but for the gateway's."""
    acl = Acl()

    heard = {
        (address, port)
        for address in (OTHER_BROWSER, SERVICE, "10.0.0.7", "10.0.250.1")
        for port in range(65_536)
        if acl.lets("in", address, port)
    }

    assert heard == {(SERVICE, 9223)}


def test_a_path_with_a_small_mtu_is_heard_of() -> None:
    """Dropping "fragmentation needed" makes large uploads hang, and nobody finds out why."""
    icmp = [
        entry for entry in Template("acl").resources("AWS::EC2::NetworkAclEntry").values() if entry["Protocol"] == ICMP
    ]

    assert [(entry["RuleAction"], entry["Icmp"]) for entry in icmp] == [("allow", {"Type": 3, "Code": 4})]


# -- Routes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direct", "gateway"), [("false", "NatGatewayId"), ("true", "GatewayId")])
def test_browsers_leave_by_nat_unless_callers_reach_them_directly(direct: str, gateway: str) -> None:
    """With a public address of its own, a browser needs the internet gateway, both ways."""
    network = Template("network", DirectMode=direct)

    routes = [network.resources("AWS::EC2::Route")[name] for name in ("BrowserDefaultA", "BrowserDefaultB")]

    for route in routes:
        assert gateway in route
        assert len({"NatGatewayId", "GatewayId"} & route.keys()) == 1
    assert network.outputs["AssignPublicIp"] == direct


def test_subnets_are_apart_and_inside_their_network() -> None:
    """Rules speak of address ranges, so that two subnets that overlapped would make nonsense of them."""
    network = Template("network")
    (vpc,) = network.resources("AWS::EC2::VPC").values()
    subnets = [ipaddress.IPv4Network(one["CidrBlock"]) for one in network.resources("AWS::EC2::Subnet").values()]

    assert len(subnets) == 8
    assert all(subnet.subnet_of(ipaddress.IPv4Network(vpc["CidrBlock"])) for subnet in subnets)
    assert not [(one, other) for one in subnets for other in subnets if one != other and one.overlaps(other)]
