/**
 * Rows that nobody implements here, each with the reason. A row may stand here only while no test names it: what is
 * proved is not left out.
 */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  "ARP-5227-2.1.1-01":
    "A probe would hold every takeover up for seconds. The Lease says whose the VIP is; who else claims it is heard and reported.",
  "ARP-5227-2.1.1-02": "There is no probing, so no conflict while probing; one at any later time is detected.",
  "BFD-7130-2-01":
    "Optional: a session for each member of a link aggregate is for whoever ends the aggregate; a node watches its router over the whole of it.",
  "BGP-4724-4.1-02":
    "Nothing that is announced is chosen from what routers announce, so there is no selection to defer: routes go out as soon as the cluster's state is known.",
  "BGP-5925-3-01": "TCP-AO takes a kernel of 6.7 or newer on both sides; what racks have is TCP-MD5 and GTSM.",
  "BGP-5925-3-02": "There is no TCP-AO that MD5 could be together with.",
  "BGP-7606-2-03":
    "Optional: wherever RFC 7606 allows one family to be disabled it allows a session reset, which is what is done.",
  "ND-4862-5.4-01":
    "As for ARP: the VIP is added without duplicate address detection, which would delay the takeover by a second.",
  "ND-7527-4-01": "There is no detection of duplicates that a loop could confuse.",
};
