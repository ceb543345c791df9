package main

// What is thrown at the daemon's inputs, and the tests that throw it. A test named here that
// does not exist any more, and a group without one, fail the test below.
//
//	REPOSITORY CONTENT
//	1   symbolic links: to /etc/passwd, .., itself, a loop, a folder; the followed folder is one
//	      gitsync.TestWhatIsNoPlainFileIsRefusedByName gitsync.TestTheFolderAskedForIsNeverALinkOrASubmodule
//	2   submodules and git-lfs pointers in the path
//	      gitsync.TestWhatIsNoPlainFileIsRefusedByName gitsync.TestTheFolderAskedForIsNeverALinkOrASubmodule
//	3   names: .., .git, .GIT, git~1, backslash, colon, control characters, 4 KB, not UTF-8, twice
//	      gitsync.TestNamesThatAreNoNamesAreRefused
//	4   an object that inflates to a thousand times its size
//	      gitsync.TestAHugeObjectCostsNoMemory gitsync.TestPacksThatBlowUpAreRefusedBeforeTheyAreUnpacked
//	5   deltas with huge results, of themselves, in endless chains
//	      gitsync.TestPacksThatBlowUpAreRefusedBeforeTheyAreUnpacked gitsync.TestAnEndlessChainOfDeltasIsRefused gitsync.FuzzSurvey
//	6   a tree of ten billion paths
//	      gitsync.TestATreeThatUnfoldsToTenBillionPathsIsRefusedAtOnce
//	7   a hundred thousand small files
//	      gitsync.TestAHundredThousandSmallFilesAreBounded gitsync.TestEveryCapIsNamedByTheErrorItMakes
//	8   packs that are large, endless, or come byte by byte
//	      gitsync.TestAServerThatMeansIllIsRefusedInBoundedTimeAndMemory gitsync.TestALargeFileElsewhereIsLeftOutWhereTheServerCan
//	9   signatures: none, by keys that are unknown, expired, revoked, of another purpose; two of them;
//	    headers twice; changed content; signed tags on unsigned commits; tags of tags
//	      gitsync.TestACommitWithoutATrustedSignatureIsRefused gitsync.TestCommitsThatReadersDisagreeAboutAreRefused
//	      gitsync.TestPGPSignatures gitsync.TestAKeyThatWasRevokedSignsNothing gitsync.TestASignedTagDoesNotVouchForAnUnsignedCommit
//	      gitsync.TestATagThatPointsElsewhereThanTheServerSaysIsRefused gitsync.TestEveryKindOfRefIsFollowed gitsync.FuzzParseCommit
//	      gitsync.FuzzAllowedSigners gitsync.TestAllowedSignersThatAreNotUnderstoodAreRefused
//	10  tags moved, branches deleted and renamed, references with names of paths and options
//	      gitsync.TestADeletedOrMovedRefIsAnErrorOrANewRevision gitsync.TestAMovedTagAndARenamedBranchAreSeen
//	      gitsync.TestReferencesWithOddNamesAreOnlyNames gitsync.TestEveryKindOfRefIsFollowed gitsync.FuzzReferences
//	11  nothing: an empty repository, folder, file, only comments
//	      gitsync.TestASourceWithoutYAMLIsAnErrorAndNeverEmpty gitsync.TestOnlyTheFolderAskedForIsRead spec.TestNothingToReadIsAnError
//	      follow.TestWhatASnapshotChanges e2e.TestTheClusterIsWhatTheLastGoodCommitSays
//	12  YAML: aliases, depth, duplicates, other keys, numbers that are none, clashes between files
//	      spec.TestFilesThatAreMadeToDoHarmAreCheapMistakes spec.TestWrongFilesEarnExactlyTheseComplaints spec.TestLimitsAreNamed spec.FuzzLoad
//	TRANSPORT
//	13  redirects to another host, to http, to file, in a loop
//	      gitsync.TestCredentialsDoNotFollowARedirectToAnotherHost gitsync.TestOnlyTheSameHostIsTheSameHost gitsync.TestARedirectLoopEnds
//	14  addresses that name helpers, options and other schemes
//	      gitsync.TestOptionsThatCannotWorkAreRefusedBeforeAnyNetwork gitsync.FuzzAddress gitsync.TestAPathCannotRunCommandsOnTheServer
//	15  certificates: unknown authority, expired, of another host; client certificates
//	      gitsync.TestAnUnknownAuthorityIsRefused gitsync.TestACertificateThatIsExpiredOrOfAnotherHostIsRefused gitsync.TestAClientCertificateIsShown
//	16  SSH: keys unknown, changed, revoked, certified, hashed, of other algorithms; peers that fall silent
//	      gitsync.TestHostKeys gitsync.TestASilentSSHServerIsGivenUp gitsync.TestAPeerThatFallsSilentIsGivenUp
//	      gitsync.TestAnSSHServerThatSendsWithoutEndIsCutOff gitsync.TestKnownHostsOfTheUserAreTheDefault
//	17  answers: every status, pages for packs, truncated, wrong checksum, lying lengths, zip bombs
//	      gitsync.TestEveryStatusThatIsNoAnswerIsAnErrorOfTheAttempt gitsync.TestAnswersThatAreNotWhatTheyClaimAreRefused
//	      gitsync.TestAServerThatMeansIllIsRefusedInBoundedTimeAndMemory
//	18  no such host, refused, half-open, broken proxies
//	      gitsync.TestAnUnreachableServerIsAnErrorOfTheAttempt gitsync.TestAPeerThatFallsSilentIsGivenUp gitsync.TestAProxyThatFailsIsAnErrorOfTheAttempt
//	19  credentials rotated, refused, missing for a while
//	      gitsync.TestARotatedPasswordIsReadAgain
//	20  secrets in errors, logs, metrics, status, memory, plan files
//	      e2e.TestNoSecretShowsUpAnywhere gitsync.TestSSHKeysWithAPassphrase gitsync.TestAnHTTPProxyIsUsedAndItsPasswordNotPrinted
//	      spec.TestNoComplaintRepeatsASecret main.TestAPlanFileIsForItsOwnerAndHoldsNoSecret
//	STATE AND TIME
//	21  killed anywhere; disks that are full; a broken memory; two daemons; leftovers; clocks that jump
//	      e2e.TestARunKilledAnywhereIsTakenUpOrTakenBack e2e.TestACommitTakenBackOrADaemonKilledInTheMiddleLosesNothing
//	      gitsync.TestADiskThatCannotBeWrittenIsNamed gitsync.TestAPackIsReadAndLeavesNothing follow.TestADiskThatIsFullOrReadOnlyStopsNothing
//	      follow.TestWhatCannotBeTrustedIsNotRemembered follow.TestSourcesHaveMemoriesAndLocksOfTheirOwn follow.FuzzMemory
//	      follow.TestWhatAKilledWriterLeftIsSweptUp follow.TestAClockThatJumpsChangesNothing
//	22  history rewritten; pushes between list and fetch; branches that flap; failures again and again
//	      gitsync.TestRewrittenHistoryIsRefusedWhereFastForwardIsRequired gitsync.TestMovingTheDefaultBranchDoesNotGetAroundFastForward
//	      gitsync.TestAPushBetweenListAndFetchChangesNothing gitsync.TestABranchThatFlapsIsFollowedAtThePaceOfTheInterval
//	      gitsync.TestNothingMakesASourceBusy gitsync.TestPace
//	23  a commit in the middle of an apply
//	      reconcile.TestLoopANewTopologyStopsTheOldRun e2e.TestACommitTakenBackOrADaemonKilledInTheMiddleLosesNothing
//	24  another leader in the middle of an apply
//	      e2e.TestAStandbyTakesOverInTheMiddleOfADrain e2e.TestAStandbyTakesOverAndHearsWebhooks main.TestAnotherRunIsAHold
//	25  one bad file, one broken cluster, one bad directory
//	      follow.TestWhatASnapshotChanges reconcile.TestLoopOneBrokenClusterStopsNoOther spec.TestOneBadFileDoesNotStopTheOthers main.TestOneBrokenClusterStopsNoOther
//	      gitsync.TestADirectoryWithoutYAMLIsAnErrorAndNeverEmpty gitsync.TestAFileThatIsGoneForAMomentIsNotTakenForRemoved
//	WEBHOOKS
//	26  bodies too large, endless, slow, zipped, odd, empty; signatures of every wrong kind; replays; bursts;
//	    other methods, other branches; no secret
//	      serve.TestOnlyWhoKnowsTheSecretHasTheSourceLookedAt serve.TestWhatACallSaysIsNotBelieved serve.TestCallsThatAreRefusedBeforeTheyAreRead
//	      serve.TestACallIsNoMoreThanAKnock serve.TestCallersThatDawdleAreHungUpOn serve.FuzzACallNeverWakesWithoutTheSecret
//	      gitsync.TestNothingMakesASourceBusy gitsync.TestPace
//	PLAN FILES
//	27  edited, forged with right sums, of another cluster or format, stale, huge, applied twice
//	      main.TestATamperedPlanFileIsRefused main.TestAPlanFileForgedWithRightSumsPermitsNothing
//	      main.TestAPlanFileWithATopologyThatIsNoneIsRefused main.TestAHugePlanFileIsNotReadToItsEnd
//	      main.TestAPlanFileIsForItsOwnerAndHoldsNoSecret main.TestASavedPlanIsAppliedExactlyOrNotAtAll planfile.FuzzPlanFile

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// rooms are where the tests of the table above stand.
var rooms = map[string]string{
	"main": ".", "planfile": "planfile", "follow": "follow", "serve": "serve", "e2e": "e2e",
	"gitsync": "../../gitsync", "spec": "../../spec", "reconcile": "../../reconcile",
}

func TestEveryAttackHasItsTest(t *testing.T) {
	const groups = 27
	head, _, _ := strings.Cut(string(mustRead(t, "attacks_test.go")), "\nimport (")
	named, begun := regexp.MustCompile(`(\w+)\.((?:Test|Fuzz)\w+)`), regexp.MustCompile(`^//\t(\d+) `)
	written := map[string]string{} // the text of all tests, by room
	group, tests := 0, map[int]int{}
	for line := range strings.Lines(head) {
		if m := begun.FindStringSubmatch(line); m != nil {
			if n, _ := strconv.Atoi(m[1]); n != group+1 {
				t.Errorf("group %s follows group %d", m[1], group)
			}
			group++
		}
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			room, name := m[1], m[2]
			if written[room] == "" {
				written[room] = testsIn(t, rooms[room])
			}
			if !strings.Contains(written[room], "\nfunc "+name+"(") {
				t.Errorf("group %d: there is no %s in %s", group, name, room)
			}
			tests[group]++
		}
	}
	if group != groups {
		t.Errorf("the table has %d groups, want %d", group, groups)
	}
	for n := 1; n <= group; n++ {
		if tests[n] == 0 {
			t.Errorf("group %d has no test", n)
		}
	}
}

func testsIn(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %q: %v", dir, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
