//! The sentences of a verdict in Chinese, by their form: the first that fits is used.
//!
//! A hole `{name}` holds whatever stands there. Some names are put into Chinese too: `{data}` is ids of data types,
//! `{phase}` phases, `{family}` a family of events, `{times}` a number of times, `{said}` sentences of this table with `; `
//! between them.

/// English form, Chinese form.
pub(super) const SENTENCES: &[(&str, &str)] = &[
    // --- findings: data that was read
    (
        "{said}; afterwards {bytes} bytes left the device, of unknown content",
        "{said}；其后有{bytes}字节离开设备，内容未知",
    ),
    ("{said}; how much was sent afterwards is not known", "{said}；其后发送了多少未知"),
    ("{said}; the entry was not yet compared with the rule's text", "{said}；该条目尚未与规定原文核对"),
    (
        "{app} read {data}, and afterwards sent {bytes} bytes to {whom} without consent; what they held was not seen",
        "{app}读取了{data}，其后在未经同意的情况下向{whom}发送了{bytes}字节；内容未见",
    ),
    (
        "{app} read {data} before consent, and the basic function of \"{type}\" does not need it",
        "{app}在用户同意前读取了{data}，而“{type}”类应用的基本功能并不需要它",
    ),
    (
        "{app} read {data} after refusal, and the basic function of \"{type}\" does not need it",
        "{app}在用户拒绝后读取了{data}，而“{type}”类应用的基本功能并不需要它",
    ),
    (
        "{app} read {data} without declaring it, and the basic function of \"{type}\" does not need it",
        "{app}未经声明读取了{data}，而“{type}”类应用的基本功能并不需要它",
    ),
    (
        "{app} read {data} as declared, and the basic function of \"{type}\" does not need it",
        "{app}按声明读取了{data}，而“{type}”类应用的基本功能并不需要它",
    ),
    (
        "{app} read {data} before consent, which \"{type}\" needs only {when}",
        "{app}在用户同意前读取了{data}，而“{type}”类应用仅在以下情况需要它：{when}",
    ),
    (
        "{app} read {data} after refusal, which \"{type}\" needs only {when}",
        "{app}在用户拒绝后读取了{data}，而“{type}”类应用仅在以下情况需要它：{when}",
    ),
    (
        "{app} read {data} without declaring it, which \"{type}\" needs only {when}",
        "{app}未经声明读取了{data}，而“{type}”类应用仅在以下情况需要它：{when}",
    ),
    (
        "{app} read {data} as declared, which \"{type}\" needs only {when}",
        "{app}按声明读取了{data}，而“{type}”类应用仅在以下情况需要它：{when}",
    ),
    (
        "{app} read {data} at a fixed interval of {period} s in phase {phase} ({pauses} pauses, half of them within {jitter} s of it)",
        "{app}在阶段{phase}以{period}秒的固定间隔读取{data}（{pauses}个间隔，其中一半偏差在{jitter}秒以内）",
    ),
    (
        "{app} read from {authority}, a provider of another app, and no table says what that holds",
        "{app}读取了其他应用的内容提供者{authority}，没有任何表说明其内容",
    ),
    ("{app} read {data} before consent", "{app}在用户同意前读取了{data}"),
    ("{app} read {data} after refusal", "{app}在用户拒绝后读取了{data}"),
    ("{app} read {data} after consent was withdrawn", "{app}在用户撤回同意后读取了{data}"),
    ("{app} read {data} after personalisation was switched off", "{app}在用户关闭个性化后读取了{data}"),
    ("{app} read {data} while the user was not operating it", "{app}在用户未操作时读取了{data}"),
    ("{app} read {data}, and the terms say it does not", "{app}读取了{data}，而声明称不收集"),
    ("{app} read {data}, and no [[collect]] covers it", "{app}读取了{data}，声明中没有任何[[collect]]涵盖它"),
    ("{app} read {data}, and what the user agreed to does not include it", "{app}读取了{data}，超出用户同意的范围"),
    ("{app} read {data}, and the terms list it without a purpose", "{app}读取了{data}，声明列出了它但未说明目的"),
    ("{app} read {data}, and the terms list it without a scene", "{app}读取了{data}，声明列出了它但未说明使用场景"),
    (
        "{app} read {data}, which is sensitive, before any permission dialog was marked",
        "{app}在标记任何权限弹窗之前读取了{data}，该信息属于敏感信息",
    ),
    (
        "{app} read {data}, which the basic function of \"{type}\" does not need",
        "{app}读取了{data}，而“{type}”类应用的基本功能并不需要它",
    ),
    (
        "{app} read {data}, which \"{type}\" needs only {when}",
        "{app}读取了{data}，而“{type}”类应用仅在以下情况需要它：{when}",
    ),
    (
        "{app} was denied {data} at {door}, and read it another way",
        "{app}在{door}获取{data}被拒绝，随后以其他方式读取了它",
    ),
    (
        "{app} read {data} {count} times in a minute, and declares at most {limit} ({where})",
        "{app}一分钟内读取{data}{count}次，而声明最多{limit}次（{where}）",
    ),
    (
        "{app} read {data} {said} (limit \"{limit}\" of {source})",
        "{app}读取了{data}：{said}（限值“{limit}”，出自{source}）",
    ),
    (
        "{app} read {data} in phase {phase}, and declares it {when}",
        "{app}在阶段{phase}读取了{data}，而声明仅限：{when}",
    ),
    // --- findings: recipients
    (
        "{app} contacted {whom} in phase {phase}, and declares it {when}",
        "{app}在阶段{phase}联系了{whom}，而声明仅限：{when}",
    ),
    (
        "{app} contacted {whom}, which serves {purpose}, before consent",
        "{app}在用户同意前联系了{whom}，其用途为{purpose}",
    ),
    (
        "{app} contacted {whom}, which serves {purpose}, after refusal",
        "{app}在用户拒绝后联系了{whom}，其用途为{purpose}",
    ),
    (
        "{app} contacted {whom}, which serves {purpose}, after consent was withdrawn",
        "{app}在用户撤回同意后联系了{whom}，其用途为{purpose}",
    ),
    (
        "{app} contacted {whom}, which serves {purpose}, after personalisation was switched off",
        "{app}在用户关闭个性化后联系了{whom}，其用途为{purpose}",
    ),
    ("{app} contacted {whom} before consent", "{app}在用户同意前联系了{whom}"),
    ("{app} contacted {whom} after refusal", "{app}在用户拒绝后联系了{whom}"),
    ("{app} contacted {whom} after consent was withdrawn", "{app}在用户撤回同意后联系了{whom}"),
    ("{app} contacted {whom}, and the terms say it does not", "{app}联系了{whom}，而声明称不向其共享"),
    ("{app} contacted {whom}, and no [[share]] names it", "{app}联系了{whom}，声明中没有任何[[share]]列出它"),
    ("{app} contacted {whom}, and declares no sharing at all", "{app}联系了{whom}，而声明未列出任何共享"),
    ("{app} contacted {whom} by address alone: no name for it was seen", "{app}仅通过地址联系了{whom}：未见其域名"),
    (
        "{app} contacted {whom}: neither the terms nor the table of recipients says whose it is",
        "{app}联系了{whom}：声明与接收者表均未说明其归属",
    ),
    ("{app} contacted {whom} without consent: {said}", "{app}在未经同意的情况下联系了{whom}：{said}"),
    ("whose owner nobody knows", "归属不明"),
    ("how much was sent is not known", "发送了多少未知"),
    ("no personal data was seen being read before", "此前未见读取个人信息"),
    // --- findings: other acts
    (
        "{app} wrote into {package} after reading personal data ({count}x); what it wrote was not seen",
        "{app}在读取个人信息后向{package}写入数据（{count}次）；写入内容未见",
    ),
    (
        "{app} ended after the user had refused, and did nothing more in that phase",
        "{app}在用户拒绝后退出，此后该阶段未再有任何行为",
    ),
    ("a permission dialog came directly after another one ({count}x)", "权限弹窗紧接另一权限弹窗出现（{count}次）"),
    ("{app} started processes after it had been stopped ({count}x)", "{app}被停止后又启动了进程（{count}次）"),
    ("{app} sent requests to {host} in clear text ({count}x)", "{app}以明文向{host}发送请求（{count}次）"),
    // --- rates
    ("{count} times in one second, more than {limit}", "一秒内{count}次，超过{limit}次"),
    ("{count} times in one minute, more than {limit}", "一分钟内{count}次，超过{limit}次"),
    ("{count} times, more than {limit}", "{count}次，超过{limit}次"),
    ("at a fixed interval of {period} s", "以{period}秒的固定间隔"),
    ("there is no limit to hold it against ({where})", "没有可用的限值（{where}）"),
    // --- reasons: phases
    ("phase {phase} was never marked, so nothing is known about it", "阶段{phase}从未被标记，因此对其一无所知"),
    (
        "none of the phases {phase} was marked, so nothing is known about them",
        "阶段{phase}均未被标记，因此对其一无所知",
    ),
    (
        "events {from} ns to {to} ns are stamped with phase {phase}, which was never marked",
        "{from}至{to}纳秒的事件标有阶段{phase}，而该阶段从未被标记",
    ),
    ("no event of the app is in the recording", "记录中没有该应用的事件"),
    // --- reasons: the terms
    ("the terms declare no phase for anything", "声明未对任何事项限定阶段"),
    ("the terms declare no max_per_minute", "声明未规定max_per_minute"),
    (
        "the terms do not say which of the 39 types of apps this is ([app] app_type)",
        "声明未说明该应用属于39类中的哪一类（[app] app_type）",
    ),
    (
        "reading {data} was done while no phase was marked, and is declared for certain phases only",
        "在未标记任何阶段时读取了{data}，而声明仅限于某些阶段",
    ),
    (
        "contacting {whom} was done while no phase was marked, and is declared for certain phases only",
        "在未标记任何阶段时联系了{whom}，而声明仅限于某些阶段",
    ),
    (
        "a connection {said} was with any of {host}, of which one is first party",
        "{said}的一个连接可能通向{host}之一，其中一个为第一方",
    ),
    ("before consent", "用户同意前"),
    ("after refusal", "用户拒绝后"),
    ("after consent was withdrawn", "用户撤回同意后"),
    (
        "a connection was with any of {host}, of which not all are declared",
        "一个连接可能通向{host}之一，其中并非全部已声明",
    ),
    // --- reasons: what was not seen
    ("the recording has no header, so nobody knows what was watched", "记录没有头部，无从得知监测了什么"),
    ("the recording holds {count} sessions; a verdict is about one", "记录包含{count}个会话；结论只针对一个会话"),
    ("{family} events were not fully watched to the end: {said}", "{family}事件未被完整监测到结束：{said}"),
    ("{family} events were not fully watched: {said}", "{family}事件未被完整监测：{said}"),
    (
        "the self-test {when} did a known act of the {family} family and did not see it: {missing}",
        "自检（{when}）执行了{family}类的已知行为而未观察到：{missing}",
    ),
    (
        "the header of the recording has no wall-clock time: dates are not known, and seconds count from its clock of the device, or from the first event",
        "记录头部没有日历时间：日期未知，秒数自设备时钟或首个事件起计",
    ),
    (
        "needs the report of an earlier version (--baseline), and this check has none; `candor terms diff` compares the terms",
        "需要较早版本的报告（--baseline），本次检查没有；`candor terms diff`可比较声明",
    ),
    (
        "phase {phase} was marked in none of the recordings, so nothing is known about it",
        "阶段{phase}在任何记录中都未被标记，因此对其一无所知",
    ),
    ("no probe was attached", "没有探针接入"),
    (
        "the recording is truncated: what happened after its last entry is not known",
        "记录被截断：最后一条之后发生了什么未知",
    ),
    (
        "{count} bytes of the recording at offset {offset} cannot be read: {why}",
        "记录在偏移{offset}处有{count}字节无法读取：{why}",
    ),
    // --- against a baseline
    ("the baseline did not see everything of: {families}", "基线未能完整监测：{families}"),
    ("the new run did not see everything of: {families}", "新的运行未能完整监测：{families}"),
    ("phase {phase} was part of the baseline and not of the new run", "阶段{phase}在基线中有，在新的运行中没有"),
    ("phase {phase} is part of the new run and was not of the baseline", "阶段{phase}在新的运行中有，在基线中没有"),
    (
        "another program answered over the Unix socket {name}: what it had read for the app is not seen",
        "另一程序通过Unix套接字{name}作了应答：它替应用读取了什么无法看到",
    ),
    ("process {pid} acted through {what}, which the probes cannot see", "进程{pid}通过{what}行事，探针无法看到"),
    ("more processes acted in ways the probes cannot see", "还有其他进程以探针无法看到的方式行事"),
    (
        "{count} paths were too long to be carried whole, and could not be judged",
        "{count}个路径过长，未能完整传送，无法判断",
    ),
    ("too much at once to keep: {what} ({count} times)", "同时数量过多，未能保留：{what}（{count}次）"),
    ("{count} more gaps in the stream", "数据流中还有{count}处缺口"),
    ("{count} sequence numbers are missing and no gap says why", "缺少{count}个序号，且没有缺口说明原因"),
    ("{count} events are out of order or there twice", "{count}个事件次序错乱或重复"),
    ("{count} phase marks too many to keep", "阶段标记过多，{count}个未能保留"),
    ("{count} records lost, no gap says when ({why})", "丢失{count}条记录，没有缺口说明时间（{why}）"),
    (
        "the account of stage {stage} does not add up: produced {produced}, delivered {delivered}, filtered {filtered}, dropped {dropped}",
        "阶段{stage}的账目不符：产生{produced}，交付{delivered}，过滤{filtered}，丢弃{dropped}",
    ),
    ("the session numbered {count} events, the recording ends at {known}", "会话编号了{count}个事件，记录止于{known}"),
    ("an unknown number of events lost ({why})", "丢失了数量未知的事件（{why}）"),
    ("1 event lost ({why})", "丢失1个事件（{why}）"),
    ("{count} events lost ({why})", "丢失{count}个事件（{why}）"),
    ("sampled once, when a session begins", "仅在会话开始时采样一次"),
    (
        "this kernel has no binder driver, or had none when the daemon started",
        "该内核没有binder驱动，或守护进程启动时还没有",
    ),
    // --- clauses that no trace decides, or that need more
    ("seen on the app's screens only: a tester decides", "仅可从应用界面看到：由测试人员判定"),
    ("a property of the policy's text: a reader decides", "属于政策文本的性质：由阅读者判定"),
    (
        "happens at the operator, after the data has left the device: decided by asking the operator",
        "发生在运营者处、数据离开设备之后：需询问运营者后判定",
    ),
    ("seen on the app's screens only: a person decides", "仅可从应用界面看到：由人工判定"),
    ("happens at the operator: decided by asking for it", "发生在运营者处：需提出请求后判定"),
    (
        "needs recordings and terms of two versions of the app, and this check has one; `candor terms diff` compares the terms",
        "需要应用两个版本的记录与声明，而本次检查只有一个；`candor terms diff`可比较声明",
    ),
    (
        "needs the state of the app's permissions before and after an update, which no probe of this version reads",
        "需要应用更新前后的权限状态，本版本没有探针读取",
    ),
    ("about stores, not about an app", "针对应用商店，而非应用"),
    (
        "what a server keeps is not in a trace: the operator has to be asked",
        "服务器保存什么不在监测范围内：需询问运营者",
    ),
    ("whether a policy exists is not in a trace: a tester decides", "是否存在隐私政策不在监测范围内：由测试人员判定"),
    // --- ties
    ("no event of this recording says which values were seen leaving", "本记录中没有事件说明哪些数值被观察到外发"),
    (
        "no event of this recording says from which file the bytes on a connection came",
        "本记录中没有事件说明连接上的字节来自哪个文件",
    ),
    // --- notices
    (
        "{app} tried to read {data} ({place}) {times} in phase {phase} and was refused: an attempt is not a collection",
        "{app}在阶段{phase}尝试读取{data}（{place}）{times}，被拒绝：尝试不等于收集",
    ),
    (
        "{app} tried to read {data} ({place}) {times} in phase {phase} and failed: an attempt is not a collection",
        "{app}在阶段{phase}尝试读取{data}（{place}）{times}，未成功：尝试不等于收集",
    ),
    ("{data} is covered only by a broader type declared at {place}", "{data}仅被{place}声明的更宽泛类型所涵盖"),
    (
        "{app} tried to reach {host} {times} in phase {phase} and did not get through",
        "{app}在阶段{phase}尝试联系{host}{times}，未能连通",
    ),
    ("connections to {addresses} can have been with any of {host}", "与{addresses}的连接可能通向{host}之一"),
    (
        "the terms call {host} first party, and it is known to belong to {owner}",
        "声明将{host}称为第一方，而已知其属于{owner}",
    ),
    (
        "read from the provider {authority} of another app {times}: what it holds is not known",
        "从其他应用的内容提供者{authority}读取{times}：其内容未知",
    ),
    (
        "names were resolved past the system's DNS {times}: {what}; what was contacted next may lack its name",
        "绕过系统DNS解析域名{times}：{what}；其后联系的对象可能缺少域名",
    ),
    (
        "connections to this machine or its own link without a name were left out {times}: {addresses}",
        "与本机或本地链路的无名连接未计入{times}：{addresses}",
    ),
    ("events of other apps were not judged by these terms: {apps}", "其他应用的事件未按本声明判断：{apps}"),
    (
        "whether the data types denied at {place} were sent is not decided: contents are not looked at",
        "{place}声称不共享的信息类型是否被发送，无法判定：不查看内容",
    ),
    ("{data} is declared at {place} and was not read in this run", "{data}在{place}有声明，本次运行中未读取"),
    ("{whom} is declared at {place} and was not contacted in this run", "{whom}在{place}有声明，本次运行中未联系"),
    (
        "{data} was read and is not necessary for the basic function of \"{type}\" ({name}) by the 2021 rule: the app must work for who declines it",
        "读取了{data}，按2021年规定它不是“{type}”（{name}）基本功能所必需：用户拒绝提供时应用也必须可用",
    ),
    (
        "{data} was read and is necessary only {when} for the basic function of \"{type}\" ({name}) by the 2021 rule: the app must work for who declines it",
        "读取了{data}，按2021年规定它仅在以下情况为“{type}”（{name}）基本功能所必需：{when}；用户拒绝提供时应用也必须可用",
    ),
    (
        "{count} statements of {file} are unconfirmed drafts and were not used: nothing was cleared or held against the app by them; `candor terms confirm` makes one count",
        "{file}中有{count}条声明是未确认的草稿，未被采用：既未因此排除也未因此认定任何问题；`candor terms confirm`可使其生效",
    ),
    (
        "the draft at {place} says that {data} is not collected, and it was read in this run",
        "{place}的草稿称不收集{data}，而本次运行中读取了它",
    ),
];
