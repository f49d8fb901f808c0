//! Every error a person can see. To change a message, change it here; the code never changes once released.

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident $code:literal $ko:literal $en:literal $fix:literal;)*) => {
        /// One entry of the catalogue. `name()` is what a `metav1.Status` carries as its `reason`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $en] $(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// All of them, in order of code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The entry with this `name()`, as read from a `metav1.Status`.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.name() == name)
            }

            /// The stable code, such as `D101`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
            /// The stable name, such as `ChainStale`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
            /// What happened, in Korean.
            pub const fn korean(self) -> &'static str {
                match self { $(Self::$name => $ko,)* }
            }
            /// What happened, in English.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$name => $en,)* }
            }
            /// The command or action that mends it.
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix,)* }
            }
        }
    };
}

// D1xx: the way in. D2xx: the chain and money. D3xx: the master and trust. D4xx: the node. D5xx: this machine.
catalogue! {
    TokenMissing "D101" "토큰이 없습니다." "The request carries no token."
        "Use the kubeconfig that `k3s-daas kubeconfig` writes.";
    TokenMalformed "D102" "토큰 형식이 잘못되었습니다." "The token is not a Seal token."
        "A Seal secret has 64 characters (0-9, a-f); get a token with `k3s-daas token`.";
    TokenExpired "D103" "토큰이 만료되었거나 시계가 맞지 않습니다." "The token has expired, or a clock is wrong."
        "Run the command again; if it repeats, compare this machine's clock with the server time in the message.";
    TokenForeign "D104" "다른 클러스터의 토큰입니다." "The token is for another cluster."
        "Use the kubeconfig of this cluster: `k3s-daas kubeconfig --cluster join.json`.";
    TokenUnknown "D105" "알 수 없는 Seal 토큰입니다." "No live Seal answers to this token."
        "Check your Seal with `k3s-daas status`; make a new one with `k3s-daas stake`.";
    TokenAmbiguous "D106" "요청에 서로 다른 토큰이 있습니다." "The request carries tokens that differ, or one twice."
        "Send one token, in the Authorization header.";
    SealExpired "D107" "Seal이 만료되었습니다." "The Seal has expired."
        "Renew it with `k3s-daas token --refresh`.";
    UsageNotPermitted "D108" "이 Seal로는 할 수 없는 일입니다." "The Seal does not permit this use."
        "Mint a Seal with the permission you need: `k3s-daas token --refresh --permissions user`.";
    StakeTooLow "D109" "스테이킹이 부족합니다." "The active stake reaches no tier."
        "Add stake with `k3s-daas restake 0.5`.";
    PositionSuspended "D110" "슬래싱이 제안되어 중지되었습니다." "A slash has been proposed; the position is suspended until it is settled."
        "See the reason with `k3s-daas status`; answer with `k3s-daas appeal`.";
    PositionSlashed "D111" "슬래싱되었습니다. 재스테이킹이 필요합니다." "The position was slashed and has not been restored."
        "`k3s-daas restake AMOUNT`, then `k3s-daas token --refresh`.";
    PositionClosed "D112" "스테이킹이 해제되었습니다." "The stake has been withdrawn or is unbonding."
        "Stake again with `k3s-daas stake 5`.";
    ServiceAccountRefused "D113" "서비스 계정 토큰이 거부되었습니다." "The service-account token is not bound to a live pod and node, or their stake is gone."
        "Use a token that the kubelet mounted into a pod.";
    PathRefused "D114" "허용되지 않는 요청입니다." "The request's form is refused."
        "Use kubectl or another standard Kubernetes client.";
    RightLost "D116" "권한이 사라져 연결을 끊었습니다." "The right behind this connection is gone."
        "See why with `k3s-daas status`.";
    TooManyRequests "D117" "요청이 너무 많습니다." "The master serves as many requests at once as it can."
        "Try again in a second.";
    RightsPending "D118" "권한을 아직 준비하는 중입니다." "The rights of this stake are still being set up."
        "Try again in a few seconds; if it lasts, the operator looks at `k3s-daas status`.";
    RateLimited "D119" "요청 한도를 넘었습니다." "More requests came than this stake may send."
        "Wait as long as Retry-After says; more stake may send more: `k3s-daas stake`.";
    AddressLimited "D120" "이 주소에서 거부된 요청이나 새 토큰이 너무 많습니다." "Too many refused requests or new tokens came from this address."
        "Wait as long as Retry-After says; check the token with `k3s-daas status`, and what else sends from this address.";
    RouteRefused "D121" "게이트웨이가 열지 않는 경로입니다." "The gateway does not open this path."
        "Nodes join with `k3s agent --server https://GATEWAY:6443 --token-file FILE`; all else is the Kubernetes API.";
    CertificateRefused "D122" "클라이언트 인증서가 거부되었습니다." "The client certificate is none of a node that may be in this cluster."
        "Start the agent again with its Seal: `k3s agent --server https://GATEWAY:6443 --token-file FILE`.";

    ChainStale "D201" "체인 정보가 오래되어 잠시 거부합니다." "The master has seen no verified checkpoint for too long."
        "Wait; if it lasts, the operator checks the master's RPC endpoint.";
    ChainUnreachable "D202" "Sui 네트워크에 연결할 수 없습니다." "The Sui network cannot be reached."
        "Check the RPC address in join.json, and `k3s-daas status` for a devnet of your own.";
    ChainForeign "D203" "다른 Sui 네트워크입니다." "The RPC endpoint serves another network than the pinned genesis."
        "Use the join.json of this network, or ask the operator for the address of the right one.";
    TransactionFailed "D204" "트랜잭션이 실패했습니다." "The transaction was executed and aborted."
        "The cause names the contract's rule; nothing but gas was spent.";
    InsufficientFunds "D205" "SUI가 부족합니다." "The wallet has not enough SUI."
        "On a devnet: `k3s-daas faucet`; otherwise send SUI to the address shown.";
    StakeBelowMinimum "D206" "최소 스테이킹보다 적습니다." "The stake is below the cluster's minimum."
        "Stake at least 0.5 SUI: `k3s-daas stake 0.5`.";
    NodeIdTaken "D207" "이미 사용 중인 노드 이름입니다." "The node id belongs to another position."
        "Choose another: `k3s-daas join --node-id NAME`; or, if it is a machine of yours that is lost, add `--replace`.";
    PackageMismatch "D208" "컨트랙트가 이 프로그램과 다릅니다." "The package is not the one this program was built for."
        "Use the k3s-daas release of the cluster, or publish this one's package.";
    WalletMissing "D209" "지갑이 없습니다." "There is no wallet here."
        "`k3s-daas wallet address` makes one and says where to send SUI; or name yours with `--wallet FILE`.";
    WalletUnsafe "D210" "지갑 파일을 다른 사용자가 읽을 수 있습니다." "The wallet file can be read by others."
        "`chmod 600 FILE`";
    NotStaked "D211" "스테이킹이 없습니다." "There is no stake of this wallet here."
        "`k3s-daas stake 5`";
    UnbondingNotOver "D212" "아직 출금할 수 없습니다." "The unbonding time is not over."
        "Wait until the time shown by `k3s-daas status`.";
    AlreadyStaked "D213" "이미 스테이킹되어 있습니다." "This Seal file is of a stake already."
        "Add to it with `k3s-daas restake AMOUNT`, or name another file with `--seal`.";
    ChainUnproven "D214" "RPC 엔드포인트의 답을 검증하지 못했습니다." "What the RPC endpoint says of the chain does not verify."
        "The cause names the check that failed; use another RPC endpoint.";

    StakeAboveMaximum "D215" "최대 스테이킹보다 많습니다." "The stake would be above the cluster's maximum."
        "`k3s-daas chain policy show` names the maximum of one position; stake the rest with another wallet.";
    NoSlashPending "D216" "제안된 슬래싱이 없습니다." "No slash is proposed for this position."
        "`k3s-daas status` shows where the position stands.";
    SlashPending "D217" "슬래싱이 이미 제안되어 있습니다." "A slash is proposed and not settled yet."
        "`k3s-daas status` shows it; wait until it is executed, cancelled, or lapses.";
    TooEarly "D218" "아직 할 수 없습니다." "It is too early for that."
        "`k3s-daas status` shows the position's times, `k3s-daas chain policy show` the cluster's; run the command again then.";
    TooLate "D219" "기한이 지났거나 이미 처리되었습니다." "The time for that is over, or it was done before."
        "`k3s-daas status` shows where the slash stands.";
    AmountRefused "D220" "금액이 잘못되었습니다." "The amount is zero or more than there is."
        "`k3s-daas status` shows the amounts.";
    NothingToWithdraw "D221" "출금할 금액이 없습니다." "No stake of this position is on its way out."
        "`k3s-daas unstake AMOUNT` first.";
    NotYours "D222" "이 지갑의 것이 아닙니다." "It belongs to another wallet."
        "Name the right one: `--wallet FILE`, or `--from ADDRESS` for a key of the Sui CLI.";
    OfficeMissing "D223" "이 지갑에는 그 권한이 없습니다." "The wallet does not hold the cluster's office for that."
        "Use the office's wallet (`--wallet FILE`, `--from ADDRESS`); `k3s-daas chain policy show` names the holders.";
    OfficesNotApart "D224" "제안자, 심판, 수령인은 서로 달라야 합니다." "Proposer, judge and beneficiary must be three; none of them judges a case of its own."
        "Use another address for one of them: `k3s-daas chain office proposer|judge ADDRESS`.";
    EvidenceRefused "D225" "증거가 거부되었습니다." "The evidence is refused: too old, already judged, or it proves nothing."
        "The cause names the rule; one position is judged once on the same evidence.";
    TooManySeals "D226" "Seal이 너무 많습니다." "The position has as many live Seals as it can."
        "Void one: `k3s-daas revoke-seal ID`, or replace it: `k3s-daas token --refresh`.";
    ClusterPaused "D227" "클러스터가 새 스테이킹을 받지 않습니다." "The cluster takes no new stake for now; unstaking and withdrawing work."
        "Ask the operator; `k3s-daas chain unpause` ends the pause.";
    NothingAnnounced "D228" "예고된 변경이 없습니다." "Nothing is announced."
        "Announce it first: `k3s-daas chain policy announce`, `k3s-daas chain measurement announce`.";
    PolicyRefused "D229" "정책 값이 서로 맞지 않습니다." "The policy's numbers are out of bounds or contradict each other."
        "The cause names the rule; `k3s-daas chain policy show` prints the present ones.";
    TreasuryEmpty "D230" "금고가 비어 있습니다." "The treasury is empty."
        "Nothing to do: slashed money is paid once there is some.";
    MeasurementRefused "D231" "허용된 측정값이 아닙니다." "No measurement in force is like this one, or there is one already."
        "`k3s-daas chain measurement list`; then `announce` and, after the delay, `activate` it.";
    MasterNotEndorsed "D232" "마스터를 보증한 운영자 포지션이 없습니다." "No operator's position answers for this master's key."
        "`k3s-daas chain master endorse --key KEY`, with the wallet of an operator's position.";
    NodeStateRefused "D233" "노드의 상태가 맞지 않습니다." "The node is not in the state for that."
        "`k3s-daas status` shows the node's state.";
    MaintenanceRefused "D234" "점검 시간이 허용되지 않습니다." "The maintenance is too long, too soon, or in the past."
        "It may take at most 7 days and begins at least 7 days after the last one's end.";
    KeyElsewhere "D235" "이 지갑의 키가 여기에 없습니다." "The wallet's key is not on this machine."
        "Add `--unsigned`, sign the bytes where the key is, and submit them: `k3s-daas chain submit --tx BYTES --signature SIG`.";
    SignatureRefused "D236" "서명이 거래와 맞지 않습니다." "The signature does not fit the transaction."
        "Print it again with `--unsigned`, sign that, and submit both: `k3s-daas chain submit --tx BYTES --signature SIG`.";
    NotConfirmed "D237" "확인하지 않아 보내지 않았습니다." "Nothing was sent: it was not confirmed."
        "Answer `y`, or add `--yes` where nobody can be asked.";
    NetworkUnknown "D238" "어느 Sui 네트워크인지 알 수 없습니다." "Which Sui network is meant is not known."
        "Name it: `--network testnet`, `--rpc URL`, or `--cluster join.json`.";
    ObjectMissing "D239" "체인에 그런 객체가 없습니다." "There is no such object on this network."
        "Check the id, and which network is asked: `--network`, `--rpc`, `--cluster join.json`.";
    OutcomeDoubtful "D240" "거래가 실행되었는지 확실하지 않습니다." "Whether a transaction was executed is not certain, whatever the RPC endpoint says; it was not made again."
        "Look for its digest in an explorer or with another `--rpc URL`; run the command again only if no other endpoint has it.";
    SealFileOther "D241" "이 Seal 파일은 다른 스테이킹을 위한 것입니다." "This Seal file was prepared for another wallet, node or permission; it was left as it is."
        "Name another file with `--seal FILE`, or repeat the `stake` that the file was prepared for.";
    CodeForeign "D242" "이 클러스터의 패키지가 아닙니다." "The code is not a version of the cluster's package."
        "Give `--code` an upgrade of the join file's package; compare it first: `k3s-daas chain verify-package PACKAGE`.";
    TransactionRefused "D243" "네트워크가 거래를 받지 않았습니다." "The network refused the transaction; it was not executed, and nothing was spent."
        "The cause has the network's words; run the command again to build the transaction of what the chain is now.";
    FaucetUnreachable "D244" "Faucet에 연결할 수 없습니다." "The faucet cannot be reached."
        "Name the development network's: `k3s-daas faucet --url http://HOST:PORT`; `k3s-daas up` takes it as `--devnet-faucet`.";
    CodeMisnumbered "D245" "코드의 VERSION이 패키지 번호와 다릅니다." "The code does not call itself by its number as a package; a cluster moved to it could be used by nobody."
        "Set `VERSION` in `cluster.move` to the package's number, `k3s-daas chain upgrade`, and move to that.";

    MasterUnverified "D301" "마스터를 검증하지 못했습니다. 토큰을 보내지 않았습니다." "The master's evidence was refused; no token was sent."
        "`k3s-daas verify --cluster join.json` shows which check failed; ask the operator.";
    MasterUnknown "D302" "체인에 등록된 마스터가 없습니다." "No master is registered on chain for this cluster."
        "Ask the operator to start the master.";
    MasterUnreachable "D303" "마스터에 연결할 수 없습니다." "The master cannot be reached."
        "Check the endpoint in join.json and that port 6443 is open.";
    ClusterFileMissing "D304" "--cluster join.json이 필요합니다." "This network is not compiled in, so its trust anchor is needed."
        "Add `--cluster join.json`, the file that `k3s-daas up` wrote for the cluster.";
    ClusterFileBad "D305" "join.json을 읽을 수 없습니다." "The cluster file cannot be read, or is refused."
        "Check the path; if it is right, get the file again from the operator.";
    InsecureKubeconfig "D306" "kubeconfig가 안전하지 않습니다." "The kubeconfig skips TLS verification, uses a proxy, or pins another CA."
        "Write it again with `k3s-daas kubeconfig`.";
    EvidenceUnavailable "D307" "TEE 장치를 사용할 수 없습니다." "The TEE device does not answer."
        "On real hardware check /dev/nsm; a devnet's simulated device is started by `k3s-daas up`.";
    DatastoreNotEncrypted "D308" "데이터 저장소가 암호화되지 않았습니다." "The datastore is not encrypted, and this network is not a devnet."
        "This release runs on a devnet only.";
    ApiServerUnavailable "D309" "API 서버가 응답하지 않습니다." "The API server does not answer."
        "Try again in a few seconds; if it lasts, the operator looks at `k3s-daas status`.";
    AuditFull "D310" "감사 로그를 쓸 공간이 없어 거부했습니다." "There is no space for the audit log, so nothing that changes the cluster is let through."
        "The operator frees space on the master's disk; the master goes on by itself.";
    AuditBehind "D311" "감사 로그 기록이 늦어 거부했습니다." "The audit log's disk is too slow, or the master is stopping."
        "Try again in a few seconds; if it lasts, the operator looks at the master's disk.";
    AuditFailed "D312" "감사 로그를 쓸 수 없습니다." "The audit log cannot be written."
        "Check the disk and the owner of the state folder's `audit`, then start the master again.";
    AuditDamaged "D313" "감사 로그가 손상되었습니다." "The audit log is not as the master left it; no crash does that."
        "`k3s-daas audit verify` says where; put the folder back from a copy, or start with a new enclave key.";
    AuditLacksAnchor "D314" "감사 로그가 체인의 앵커와 다릅니다." "The audit log lacks what was anchored on chain; it is not extended."
        "Put the log's folder back as it was; `k3s-daas audit verify` says what is missing.";
    AuditForked "D315" "다른 프로세스가 같은 키로 앵커를 기록했습니다." "The chain has an audit root under this enclave's key that this log did not send."
        "Stop the other master that uses the key; if there is none, the key is stolen: revoke this master.";
    AuditNotAnchored "D316" "아직 체인에 앵커되지 않았습니다." "What is to be proven is not covered by an anchor that is at hand."
        "Try again in a minute: a master anchors its log each minute; or name the anchor with `--anchors FILE`.";
    AuditProofBad "D317" "감사 증명이 맞지 않습니다." "The proof of an audit record does not hold."
        "Ask for the proof again (`k3s-daas audit prove RECORD`); if it stays so, the record is not in the log.";
    ClusterFileUnfinished "D320" "join.json에 게이트웨이가 없습니다." "The cluster file names no gateway: it is from before the cluster had a master."
        "Use the join.json that the master wrote into its data folder once it had registered; ask the operator for it.";

    NodeIdMismatch "D401" "Seal의 노드 이름과 다릅니다." "The node id is not the Seal's."
        "Join with the node id you staked for.";
    InstanceMismatch "D402" "이 노드 이름은 다른 기계가 쓰고 있습니다." "The node id is held by another machine."
        "Join this machine under a node id of its own: `k3s-daas join --node-id NAME`; or, if it is to take the other's place, add `--replace` once.";
    AddressRefused "D403" "노드 주소가 거부되었습니다." "The node's address is the master's own, another node's, or not the one the gateway saw."
        "Name the address other nodes reach this machine by: `k3s-daas join --node-ip IP`. A master's machine has one node, its own.";
    ClockSkew "D404" "시계가 맞지 않습니다." "This machine's time is more than 60 s from the master's or the network's."
        "Set this machine's clock (`timedatectl set-ntp true`).";
    CsrRefused "D405" "인증서 요청이 거부되었습니다." "The certificate request is malformed or asks for too much."
        "Update k3s-daas-worker to the master's version.";
    StakeSlashed "D406" "슬래싱되어 노드를 멈췄습니다." "The stake was slashed; pods and kubelet were stopped."
        "`k3s-daas appeal --reason TEXT` within the appeal window, or `k3s-daas restake` after it.";
    NodeFailed "D407" "노드를 시작하지 못했습니다." "The node's processes did not become ready."
        "The cause names the process; its log is in the state folder.";
    NodeJailed "D408" "노드가 응답하지 않아 격리되었습니다." "The node was silent for too long and is jailed."
        "A worker that runs takes its node out of jail by itself when the time is over; start it, or use `k3s-daas unjail`.";
    AgentNeeded "D409" "이 클러스터의 노드는 K3s 에이전트로 참여합니다." "Nodes of this cluster join by K3s' own agent."
        "Ask the operator for the cluster's present `join.json`, with `\"engine\": \"k3s\"` in it, and start the worker with that; docs/k3s.md says how.";

    RootNeeded "D501" "root 권한이 필요합니다." "Real containers and K3s' server need root."
        "Run it with sudo; without root, `k3s-daas --state-dir DIR up --no-node --engine kubernetes` starts the control plane alone.";
    PortBusy "D502" "포트를 이미 사용 중입니다." "The port is in use."
        "Stop the program that holds it, or choose another: `--port`, `--devnet-listen`, `--devnet-faucet`, `--admin`.";
    GoMissing "D503" "Go가 설치되어 있지 않습니다." "Go is needed to build Kubernetes, and is not on PATH."
        "Install Go 1.26 or later, then run the command again.";
    ToolMissing "D504" "필요한 프로그램이 없습니다." "A program the node needs is not on PATH."
        "`make prerequisites`, or apt-get install the package named.";
    NetworkNeeded "D505" "네트워크가 필요합니다." "The sources of Kubernetes, or K3s' release, could not be fetched."
        "Check the network (HTTPS_PROXY, GOPROXY, for K3s `--k3s-releases`) and run the command again; finished parts are kept.";
    DiskFull "D506" "디스크가 가득 찼습니다." "There is no space left."
        "Free at least 4 GB and run the command again; nothing half-built is used.";
    ConfigInvalid "D507" "설정이 잘못되었습니다." "The configuration has errors."
        "Mend the keys named and run the command again.";
    EngineBuildFailed "D508" "Kubernetes를 빌드하지 못했습니다." "Building Kubernetes failed."
        "The log named in the cause has the compiler's words.";
    ControlPlaneTimeout "D509" "컨트롤 플레인이 제때 시작되지 않았습니다." "The control plane was not ready within its limit."
        "The cause names the component; its log is in the state folder.";
    AlreadyRunning "D510" "이미 실행 중입니다." "A cluster is already running from this state folder; nothing was changed."
        "`k3s-daas status`, or `k3s-daas down` first.";
    NotRunning "D511" "실행 중이 아닙니다." "No cluster runs from this state folder."
        "`k3s-daas up`";
    StateUnreadable "D512" "상태 폴더를 사용할 수 없습니다." "The state folder cannot be used."
        "Check its owner and free space, or name another with `--state-dir`.";
    MockModeRefused "D513" "MOCK_MODE는 지원하지 않습니다." "MOCK_MODE is not supported."
        "Use the development network instead: `k3s-daas up`.";
    ServiceFailed "D514" "서비스를 설치하거나 제거하지 못했습니다." "The service could not be installed or removed."
        "The cause names the file or the command; `--dry-run` shows what is to be done.";
    K3sMissing "D515" "사용할 수 있는 K3s가 없습니다." "There is no K3s here that can be used."
        "`sudo k3s-daas engine --k3s VERSION` (or `k3s-daas-worker engine --k3s VERSION`) fetches a release, v1.36 or later, and checks its checksum; or put one on PATH, or name it with K3S_BIN.";
    ReleaseMissing "D516" "그런 K3s 릴리스가 없습니다." "There is no such release of K3s there."
        "Name a version as https://github.com/k3s-io/k3s/releases has it, v1.36 or later, such as `v1.36.2+k3s1`; a mirror has to have the same folders and files.";
    ChecksumWrong "D517" "내려받은 파일이 릴리스의 체크섬과 다릅니다." "What was fetched is not what the release's checksum says; it was not run, and it was removed."
        "Run the command again; if it stays so, ask whoever runs the mirror or the proxy in between.";
    CgroupMissing "D518" "컨테이너에 필요한 cgroup이 없습니다." "The kernel lacks cgroup controllers that containers need."
        "Have the kernel start with cgroup v2 (`systemd.unified_cgroup_hierarchy=1`; on a Raspberry Pi also `cgroup_enable=cpuset cgroup_enable=memory`), and reboot.";
    K3sOlder "D519" "데이터를 쓴 K3s보다 오래된 버전입니다." "This K3s is older than the one that wrote the data; it was not started, and nothing was changed."
        "Use the version that the cause names, or a later one; the older one runs on a copy of the data folder from before the upgrade.";
    DemoFailed "D520" "데모의 한 단계가 실패했습니다." "A step of the demo failed; everything it started was stopped."
        "The cause names the step; the last log lines stand above it.";
    BenchFailed "D521" "측정에 실패했습니다." "A measurement failed; everything it started was stopped."
        "The cause names the step; the last log lines stand above it.";
    DockerMissing "D522" "Docker가 실행 중이 아닙니다." "Docker does not answer, and `container_runtime` is `docker`."
        "`sudo systemctl start docker`; or leave `container_runtime` out: K3s brings a containerd of its own.";
    K3sRuns "D523" "K3s가 실행 중입니다." "K3s runs, and this is done only while it is stopped."
        "`sudo systemctl stop k3s-master` (or `k3s-daas down`), run the command again, and start the master.";
    K3sRefused "D524" "허용되지 않는 K3s 명령입니다." "This command of K3s' is not for this cluster."
        "The cause says why; `k3s-daas-master k3s --help` lists what there is.";
    K3sFailed "D525" "K3s의 명령이 실패했습니다." "K3s' own command failed."
        "Its words stand above; while the master runs, `log/k3s.log` in its data folder has the server's.";
    DataFolderTaken "D526" "다른 워커가 이 데이터 폴더를 쓰고 있습니다." "Another worker runs its node from this data folder; nothing was changed and nothing was spent."
        "Stop that worker, or name a folder of its own for this one: `k3s.data_dir` in its configuration, or `--data-dir`.";
    RuntimeMissing "D527" "컨테이너 런타임이 응답하지 않습니다." "The container runtime at `container_runtime_endpoint` does not answer."
        "`systemctl status containerd`, and `sudo systemctl start containerd`; or leave `container_runtime_endpoint` out: K3s brings a containerd of its own.";
    ApiTokenRefused "D530" "워커의 Seal이 필요합니다." "The worker's API opens to the secret of the worker's own Seal."
        "Send `Authorization: Bearer SECRET`: `secret` in the state folder's `seal.json`, or before the first Seal the contents of `api-token`.";
    ApiOriginRefused "D531" "다른 곳에서 온 요청은 받지 않습니다." "The request names another host, or comes from a web page."
        "Name this machine: its address, `localhost`, its node id, or a name in `api.names`; and send no Origin header.";
    ApiRequestRefused "D532" "요청 형식이 잘못되었습니다." "The request to the worker's API is not one that it knows."
        "Compare it with `docs/reference/worker-api.json`.";
    ApiExposed "D533" "TLS 없이 외부에 API를 열 수 없습니다." "The worker's API listens on loopback alone, unless it has a certificate."
        "Set `security.tls_cert` and `security.tls_key`, or leave `api.bind` at 127.0.0.1.";
    ApiPortReserved "D534" "kubelet이 쓰는 포트입니다." "The port is one of the kubelet's or of another program of the node."
        "Set `api.port` to another; 8080 is the default.";
    WorkerBusy "D535" "워커가 아직 처리하지 못했습니다." "The worker has not come to it yet, or is ending."
        "Ask `GET /api/v1/staking` how far it is, and then again.";
    LifetimeRefused "D536" "Seal의 유효 기간이 허용 범위를 벗어났습니다." "The Seal would live longer than the cluster's policy allows, or too short to be renewed."
        "Ask for less, or leave `duration` out; `k3s-daas chain policy show` names the longest.";
    Internal "D599" "내부 오류입니다." "Something that cannot happen did."
        "Please report it with the log.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_every_text_is_there() {
        let codes: BTreeSet<_> = ErrorCode::ALL.iter().map(|c| c.code()).collect();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert!(code.korean().chars().any(|c| ('가'..='힣').contains(&c)), "{}", code.name());
            assert!(code.english().ends_with('.'), "{}", code.name());
            assert!(!code.fix().is_empty(), "{}", code.name());
        }
    }
}
