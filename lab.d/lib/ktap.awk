# SPDX-License-Identifier: GPL-2.0
# Reads what a kselftest printed and prints one line per test:
#   pass NAME | fail NAME DETAIL | skip NAME REASON
# A plan that was not carried out is a failure. Given: suite, the name before the
# dot; status, the program's exit status or what befell the guest; diagnostics,
# a file for what failing tests said.

function short(name) {
	sub(/^- /, "", name)
	sub(/^global\./, "", name)
	if (index(name, suite ".") == 1)
		name = substr(name, length(suite) + 2)
	gsub(/[^A-Za-z0-9_.-]+/, "_", name)
	sub(/_+$/, "", name)
	return suite "." (name == "" ? number : name)
}

function report(result, name, detail) {
	printf "%s %s%s\n", result, name, detail == "" ? "" : " " detail
	count[result]++
}

/^# +RUN +/ {
	running = short($3)
	said = ""
	next
}

/^1\.\.[0-9]+/ && !planned {
	planned = 1
	plan = substr($1, 4) + 0
	if (plan == 0) {
		reason = $0
		if (!sub(/^.*# *SKIP */, "", reason))
			reason = ""
		if (reason != "")
			report("skip", suite, reason)
	}
	next
}

/^(not )?ok [0-9]+/ {
	result = /^ok/ ? "pass" : "fail"
	line = $0
	sub(/^(not )?ok /, "", line)
	number = line + 0
	sub(/^[0-9]+ */, "", line)
	detail = ""
	if (match(line, /# *(SKIP|XFAIL|TODO)/)) {
		detail = substr(line, RSTART + 2)
		sub(/^ *SKIP */, "", detail)
		line = substr(line, 1, RSTART - 1)
		result = result == "fail" ? "fail" : "skip"
	} else if (match(line, /#/)) {
		line = substr(line, 1, RSTART - 1)
	}
	sub(/ +$/, "", line)
	seen++
	if (result == "fail") {
		printf "%s", said >diagnostics
		if (detail == "")
			detail = why
	}
	report(result, short(line), detail)
	said = why = running = ""
	next
}

/^Bail out!/ {
	report("fail", suite, $0)
	bailed = 1
	next
}

{
	said = said $0 "\n"
	# The line that names what was expected and what was seen.
	if (/^# .*(Expected|failed|Test terminated)/ && why == "") {
		why = $0
		sub(/^# */, "", why)
	}
}

END {
	if (!bailed && (!planned || seen < plan)) {
		name = running == "" ? suite : running
		printf "%s", said >diagnostics
		report("fail", name, !planned ? "printed no plan" : \
			"did not end; " (plan - seen) " of " plan " tests are without a result")
	} else if (status ~ /^[0-9]+$/ && status != 0 && status != 4 && !count["fail"]) {
		printf "%s", said >diagnostics
		report("fail", suite, "ended with status " status " though no test of it failed")
	} else if (planned && plan == 0 && !count["skip"] && !count["fail"]) {
		report("fail", suite, "has no tests")
	}
}
