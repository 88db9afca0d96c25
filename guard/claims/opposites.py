"""Pairs of words with opposite meaning, one pair a line, both sides in three languages. Our own list.

`_` stands for a blank. Inflected forms are written out: a wrong stem costs more than a long line.
"""

from __future__ import annotations

from typing import Final

COMPARATIVES: Final = """
more greater exceed exceeds exceeded exceeding over 더_많은 더_많이 더_많 이상 초과 넘는 넘어 넘었 웃돌 다수의 超过 以上 多于 超出 高达 更多 | less fewer under 더_적은 더_적게 더_적 이하 미만 밑돌 不足 以下 少于 低于 不到 更少
higher highest 더_높은 더_높 가장_높은 高于 更高 最高 | lower lowest 더_낮은 더_낮 가장_낮은 低于 更低 最低
larger bigger largest biggest greatest 더_큰 더_크 가장_큰 최대 大于 更大 最大 | smaller smallest least 더_작은 더_작 가장_작은 최소 小于 更小 最小
longer longest 더_긴 더_길 가장_긴 更长 最长 长于 | shorter shortest 더_짧은 더_짧 가장_짧은 更短 最短 短于
faster fastest quicker 더_빠른 더_빠르 가장_빠른 快于 更快 最快 | slower slowest 더_느린 더_느리 가장_느린 慢于 更慢 最慢
older oldest 더_오래된 가장_오래된 最古老 更老 年长 | younger youngest newer newest 더_젊은 가장_젊은 最年轻 更年轻 年轻
earlier earliest before 이전 이전에 더_일찍 앞서 早于 之前 更早 以前 | later latest after 이후 이후에 더_늦게 晚于 之后 更晚 以后
better best superior 더_좋은 더_나은 가장_좋은 优于 更好 最好 | worse worst inferior 더_나쁜 가장_나쁜 劣于 更差 最差
stronger strongest 더_강한 가장_강한 강력한 更强 最强 强于 | weaker weakest 더_약한 가장_약한 更弱 最弱 弱于
heavier heaviest 더_무거운 가장_무거운 更重 最重 | lighter lightest 더_가벼운 가장_가벼운 更轻 最轻
warmer hotter hottest warmest 더_따뜻한 더_더운 가장_더운 更热 最热 更暖 | colder cooler coldest coolest 더_추운 더_차가운 가장_추운 更冷 最冷
richer richest wealthier 더_부유한 가장_부유한 更富 最富 | poorer poorest 더_가난한 가장_가난한 更穷 最穷
closer nearer nearest closest 더_가까운 가장_가까운 更近 最近的 | farther further farthest furthest 더_먼 가장_먼 更远 最远
cheaper cheapest 더_싼 더_저렴한 가장_싼 更便宜 最便宜 | costlier dearer pricier 더_비싼 가장_비싼 更贵 最贵
wider widest broader 더_넓은 가장_넓은 更宽 最宽 更广 | narrower narrowest 더_좁은 가장_좁은 更窄 最窄
deeper deepest 더_깊은 가장_깊은 更深 最深 | shallower shallowest 더_얕은 가장_얕은 更浅 最浅
at_least no_less_than minimum 적어도 최소한 至少 不少于 不低于 | at_most no_more_than maximum 많아야 기껏해야 至多 不超过 不多于
"""

OPPOSITES: Final = """
increase increases increased increasing rise rises rose risen rising grow grows grew grown growing growth gain gains gained climbed surge surged 증가 늘어 늘었 늘고 늘린 늘렸 상승 올라 올랐 오른 급증 성장 증대 확대 增加 上升 增长 提高 上涨 扩大 升高 攀升 提升 增多 | decrease decreases decreased decreasing fall falls fell fallen falling decline declines declined declining drop drops dropped shrink shrank shrunk reduce reduces reduced reducing reduction plunged 감소 줄어 줄었 줄고 줄인 줄였 하락 내려 내렸 떨어졌 떨어진 떨어져 급감 축소 减少 下降 降低 下跌 缩小 降至 减小 跌至 下滑 萎缩
high tall 높은 높다 높고 높아 높았 높이는 高的 很高 较高 | low 낮은 낮다 낮고 낮아 낮았 低的 很低 较低
large big huge vast 큰 크다 크고 컸다 커다란 거대한 大型 巨大 庞大 | small little tiny 작은 작다 작고 작았다 小型 微小 很小
many numerous 많은 많다 많고 많았 많이 许多 很多 众多 大量 | few 적은 적다 적고 적었 적게 少量 很少 少数
long 긴 길다 길고 길었 长期 很长 | short brief 짧은 짧다 짧고 짧았 短期 很短
fast quick rapid rapidly quickly 빠른 빠르 빨리 빨라 급속 迅速 快速 | slow slowly gradual gradually 느린 느리 느려 천천히 서서히 缓慢 慢慢
good 좋은 좋다 좋고 좋았 좋아 良好 很好 | bad poor 나쁜 나쁘 나빴 恶劣 很差
hot warm 더운 뜨거운 따뜻한 炎热 温暖 热的 | cold cool 추운 차가운 寒冷 冷的
old ancient 오래된 낡은 늙은 古老 旧的 年老 | new young modern 새로운 새 젊은 최신 新的 年轻 崭新 现代
rich wealthy 부유한 부유하 富裕 富有 | poor impoverished 가난한 가난하 빈곤 贫困 贫穷
strong powerful 강한 강하 강력 강해 强大 强烈 | weak 약한 약하 약해 弱小 虚弱 微弱
easy simple easily 쉬운 쉽 쉬워 간단한 容易 简单 | difficult hard complex 어려운 어렵 어려워 복잡한 困难 艰难 复杂
safe safely 안전한 안전하 安全 | dangerous unsafe hazardous 위험한 위험하 危险
open opens opened opening 열린 열렸 열어 개방 개장 개관 打开 开放 开启 开业 | close closes closed closing shut 닫힌 닫혔 닫아 폐쇄 폐장 폐관 关闭 封闭 停业
begin begins began begun start starts started starting launch launched 시작 개시 착수 출범 开始 启动 起始 发起 | end ends ended ending finish finishes finished stop stops stopped cease ceased 끝나 끝났 종료 중단 마감 结束 停止 终止 完结
accept accepts accepted agree agrees agreed approve approves approved 수락 승인 동의 찬성 찬동 허가 接受 同意 赞成 批准 许可 | reject rejects rejected disagree disagrees disagreed decline refused refuse refuses disapprove disapproved 거절 거부 반대 불허 기각 拒绝 反对 否决 驳回
support supports supported supporting favor favour 지지 지원 옹호 支持 拥护 | oppose opposes opposed opposing against 반대 저항 반발 反对 抵制 抗议
allow allows allowed permit permits permitted legal lawful 허용 합법 가능하 가능한 允许 准许 合法 | forbid forbids forbade forbidden ban bans banned prohibit prohibits prohibited illegal unlawful 금지 불법 불가능 禁止 违法 非法 不允许
win wins won winning victory 승리 이겼 이긴 우승 이기 胜利 赢得 获胜 战胜 | lose loses lost losing defeat defeated 패배 졌다 진 패했 지고 失败 输给 落败 战败
success successful successfully succeed succeeds succeeded 성공 成功 | failure unsuccessful unsuccessfully fail fails failed 실패 失败
love loves loved like likes liked 사랑 좋아하 喜欢 热爱 | hate hates hated dislike dislikes disliked 미워 싫어 증오 讨厌 憎恨 不喜欢
buy buys bought purchase purchased acquire acquired 구매 구입 매수 인수 사들 购买 买入 收购 | sell sells sold sale 판매 매도 매각 팔았 팔아 出售 卖出 销售 售出
enter enters entered join joins joined 입장 가입 들어 입학 입국 进入 加入 入学 入境 | leave leaves left exit exits exited quit withdraw withdrew 퇴장 탈퇴 떠나 떠났 졸업 출국 离开 退出 毕业 出境
import imports imported 수입 进口 | export exports exported 수출 出口
arrive arrives arrived arrival 도착 到达 抵达 | depart departs departed departure 출발 出发 启程
born birth 태어 탄생 출생 出生 诞生 | die dies died dead death killed 죽었 죽은 사망 숨졌 서거 死亡 去世 逝世 死于
alive living survive survives survived 살아 생존 活着 幸存 存活 | dead deceased perished 죽은 사망한 死去 遇难 丧生
north northern 북쪽 북부 북 북방 北部 北方 北边 以北 | south southern 남쪽 남부 남방 南部 南方 南边 以南
east eastern 동쪽 동부 동방 东部 东方 东边 以东 | west western 서쪽 서부 서방 西部 西方 西边 以西
left leftmost 왼쪽 좌측 좌파 左侧 左边 左派 | right rightmost 오른쪽 우측 우파 右侧 右边 右派
upper above top 위쪽 상부 위에 상단 上面 上方 上部 顶部 | lower below bottom beneath 아래쪽 하부 아래 하단 下面 下方 下部 底部
front 앞쪽 앞면 전방 前面 前方 | back rear behind 뒤쪽 뒷면 후방 后面 后方
inside indoor indoors within internal 내부 실내 안쪽 国内 内部 室内 里面 | outside outdoor outdoors external 외부 실외 바깥 야외 国外 外部 室外 外面 户外
domestic 국내 本国 | foreign overseas abroad 국외 해외 외국 海外 外国
male man men boy boys father brother son husband king 남성 남자 아버지 아들 남편 형 왕 소년 男性 男子 男人 父亲 儿子 丈夫 男孩 | female woman women girl girls mother sister daughter wife queen 여성 여자 어머니 딸 아내 누나 여왕 소녀 女性 女子 女人 母亲 女儿 妻子 女孩
positive 긍정적 긍정 양성 积极 阳性 正面 | negative 부정적 부정 음성 消极 阴性 负面
benefit benefits beneficial helpful advantage advantages useful 이로운 유익 장점 도움 유리한 有益 有利 优点 好处 | harm harms harmful harmed detrimental disadvantage disadvantages useless 해로운 유해 단점 피해 불리한 有害 不利 缺点 坏处 危害
true correct accurate 사실 참 정확 옳은 맞는 真实 正确 准确 | false wrong incorrect inaccurate untrue 거짓 허위 부정확 틀린 잘못된 虚假 错误 不准确
include includes included including 포함 包括 包含 | exclude excludes excluded excluding 제외 배제 不包括 除外 排除
always 항상 언제나 늘 总是 始终 一直 | never rarely seldom 결코 절대 드물게 从不 从未 很少
same identical equal 같은 같다 동일 똑같 相同 同样 一致 | different differs unequal 다른 다르 달라 상이 不同 差异
public 공공 공립 공개 公共 公立 公开 | private 민간 사립 비공개 사설 私人 私立 私有 秘密
major main primary 주요 주된 主要 重大 重要 | minor secondary 부차적 사소한 次要 轻微
early 이른 일찍 초기 초 초반 早期 初期 早 | late 늦은 늦게 말기 후기 후반 晚期 末期 后期 晚
first 첫 처음 최초 第一 首次 最初 首个 | last final 마지막 최후 最后 最终 末尾
maximum 최대 最大值 上限 | minimum 최소 最小值 下限
common usual frequent often 흔한 흔히 자주 常见 普遍 经常 | rare unusual infrequent uncommon 드문 희귀 罕见 稀有 少见
present exist exists existed existing 존재 있는 있다 存在 | absent missing nonexistent 부재 없는 不存在 缺席
friend ally allies friendly 친구 우방 동맹 朋友 盟友 友好 | enemy enemies foe hostile 적국 적대 원수 敌人 敌对
war wartime 전쟁 战争 | peace peacetime 평화 和平
day daytime 낮 주간에 白天 | night nighttime 밤 야간 夜晚 夜间 晚上
morning a.m. 아침 오전 早上 上午 早晨 | evening afternoon p.m. 저녁 오후 下午 傍晚
summer 여름 夏天 夏季 | winter 겨울 冬天 冬季
spring 봄 春天 春季 | autumn 가을 秋天 秋季
married marry marries marriage 결혼 혼인 结婚 | divorced divorce divorces unmarried 이혼 미혼 离婚 未婚
guilty convicted 유죄 有罪 定罪 | innocent acquitted 무죄 无罪 无辜
healthy 건강한 건강하 健康 | sick ill unhealthy diseased 아픈 병든 건강하지 生病 患病 不健康
full 가득 꽉 满的 充满 | empty 빈 비어 텅 空的 空荡
heavy 무거운 무겁 沉重 很重 | 가벼운 가볍 轻便 很轻
expensive costly 비싼 비싸 고가 昂贵 贵的 | cheap inexpensive affordable 싼 저렴한 값싼 저가 便宜 廉价
wet humid 젖은 습한 潮湿 湿润 | dry arid 마른 건조한 干燥 干旱
clean 깨끗한 깨끗하 청결 干净 清洁 | dirty polluted 더러운 더럽 오염된 肮脏 污染
urban 도시 도심 城市 市区 | rural countryside 농촌 시골 乡村 农村
near nearby close_to 가까운 근처 가깝 附近 靠近 | far distant remote 먼 멀리 멀다 遥远 远离
legalize legalized legalise legalised 합법화 合法化 | criminalize criminalized outlaw outlawed 불법화 定为犯罪
appoint appointed appoints hire hired hires 임명 채용 고용 任命 聘用 雇用 | dismiss dismissed fired sacked 해임 해고 파면 免职 解雇 开除
build built builds construct constructed construction create created 건설 건축 지어 세워 창설 建造 修建 建设 创建 | destroy destroyed destroys demolish demolished 파괴 철거 무너 부쉈 摧毁 破坏 拆除 毁坏
attack attacks attacked attacking invade invaded 공격 침공 攻击 进攻 侵略 | defend defends defended defending defence defense 방어 수비 防御 防守 保卫
appear appears appeared appearance 나타나 나타났 등장 출현 出现 | disappear disappears disappeared vanish vanished 사라지 사라졌 소멸 消失
improve improves improved improving improvement recover recovered 개선 향상 호전 회복 나아졌 改善 改进 好转 恢复 | worsen worsens worsened worsening deteriorate deteriorated 악화 나빠졌 저하 恶化 变差
strengthen strengthens strengthened 강화 加强 增强 | weaken weakens weakened 약화 削弱 减弱
remember remembers remembered 기억 记得 记住 | forget forgets forgot forgotten 잊어 잊었 망각 忘记 遗忘
teacher professor 교사 선생 교수 老师 教师 教授 | student pupil 학생 제자 学生 弟子
cause causes caused causing induce induces trigger triggers 유발 일으키 초래 야기 导致 引起 造成 引发 | prevent prevents prevented preventing 예방 방지 막는 막아 预防 防止 避免 阻止
profit profits profitable surplus 흑자 이익 盈利 盈余 利润 | loss losses deficit unprofitable 적자 손실 亏损 赤字
borrow borrows borrowed 빌린 빌려_오 차입 借入 | lend lends lent loan 빌려주 대출 借出 贷款
ascend ascended upward up 위로 상행 向上 上行 | descend descended downward down 아래로 하행 向下 下行
advance advanced forward 전진 앞으로 前进 向前 | retreat retreated backward 후퇴 뒤로 撤退 后退
majority 다수 과반 多数 过半 | minority 소수 少数
optimistic optimism 낙관 乐观 | pessimistic pessimism 비관 悲观
active actively 활발 적극적 活跃 积极地 | inactive passive passively 소극적 비활성 消极地 被动
unite united unify unified merge merged 통합 통일 합병 统一 合并 联合 | divide divided split separate separated 분할 분열 분리 분단 分裂 分开 分割
permanent permanently 영구 영구적 永久 | temporary temporarily 임시 일시적 临时 暂时
voluntary voluntarily 자발적 自愿 | compulsory mandatory obligatory 의무적 강제 의무 强制 必须
direct directly 직접 直接 | indirect indirectly 간접 间接
free gratis 무료 공짜 免费 | paid chargeable 유료 付费 收费
bright 밝은 밝다 밝고 明亮 | dark dim 어두운 어둡 黑暗 昏暗
promote promotes promoted promoting boost boosts boosted 촉진 장려 促进 推动 | hinder hinders hindered hamper hampered impede 저해 방해 阻碍 妨碍
"""
