"""Family names in two scripts, and English words that are no name by themselves; lists of our own making."""

from __future__ import annotations

KOREAN_FAMILY = frozenset(
    "김이박최정강조윤장임한오서신권황안송류유홍전고문손양배백허남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국"
)
CHINESE_FAMILY = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦傅方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)  # fmt: skip
_ENGLISH_ORDINARY = """
a about above after again all also although always am among an and another any are around as at back basic be because been before being
below best better between both but by call can can't come could critical dear did do does don't down during each either else even ever every
few finally find first for from full get go good great had has have he hello help her here hers hey hi him his home how however i if
important in instead into is it its just keep know large last later least let like likely little long look lot love main make many may maybe
me mine more most much must my near need never new next nice no nor not nothing now of off often old on once one only or other our
out over own part people perhaps place please price put quite rather really right said same see several she should show simply since
small so some soon sorry still such sure take than thank thanks that the their them then there therefore these they thing this those
though through thus time to today together tomorrow too touch toward try two under unless until up us use very want was we well were
what when where whether which while who whole whom whose why will with within without won't would yes yesterday yet you your
american british chinese european french german indian italian japanese korean russian spanish western eastern northern southern
civil free general international national official original political public real royal social special total united
january february march april may june july august september october november december monday tuesday wednesday thursday friday
corporate direct modern buses bus call center centre cab cabs criminal defense defence cigar campaign counterparty rockets office manager
team company department restaurant hotel government president minister senator troops store shop market customer service support
product system project program doctor nurse teacher student lawyer attorney officer coach director professor mom dad mother father
brother sister son daughter uncle aunt grandma grandpa boy girl kid baby guy dude cat dog morning evening night noon tonight weekend
holiday birthday party video photo music movie film song album news report story letter card order account email phone address
website online shuttle wifi tv app tax police army navy word
dr mr mrs ms prof captain
station woods sunset motel college dean theater theatre couch dealer arms amusement
saturday sunday white black red green blue rose god internet web site page book day year week month world life man woman child
tryna bouta finna imma gonna wanna gotta lemme juss jus ion oomf nicca niccas mufucka mufuckas mofo bae brah bruh bro homie hoe hoes horny
tweekin phat yas yass yasss gudnight goodnight hun luv lol lmao omg wtf smh bacc trash bitch bitches slut whore dick dickhead pussy ass
bastard moron idiot fool retard loser liar liars phony bigot bigots zealot filth geek nerd hag pervert pedophile racist thug scum
karma bird birds democraps muzzies beaner cracker trailer ketchup mouthwash vitamin albino respect economy lets yaass bitchin
"""
ENGLISH_ORDINARY = frozenset(_ENGLISH_ORDINARY.split())
CHINESE_RELATIVES = frozenset(
    [
        "妈妈",
        "爸爸",
        "老妈",
        "老爸",
        "老婆",
        "老公",
        "老太太",
        "爷爷",
        "奶奶",
        "哥哥",
        "姐姐",
        "弟弟",
        "妹妹",
        "宝宝",
        "宝贝",
        "老师",
        "先生",
        "小姐",
        "女士",
        "大叔",
        "阿姨",
        "叔叔",
        "儿子",
        "女儿",
        "老板",
        "小姐姐",
        "小哥哥",
        "美女",
        "帅哥",
        "同学",
        "童鞋",
        "姑娘",
        "妹子",
        "小伙伴",
        "朋友",
    ]
)
