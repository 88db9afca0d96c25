"""Names that are common in three languages, of our own making: a hint to the tagger, never proof by themselves."""

from __future__ import annotations

_ENGLISH_GIVEN = """
james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark donald steven paul
andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary nicholas eric jonathan stephen larry
justin scott brandon benjamin samuel gregory alexander frank patrick raymond jack dennis jerry tyler aaron jose adam nathan henry
douglas zachary peter kyle noah ethan jeremy walter christian keith roger terry austin sean gerald carl harold dylan arthur lawrence
jordan jesse bryan billy bruce gabriel joe logan alan juan albert willie elijah wayne randy vincent mason roy ralph bobby russell
bradley philip eugene liam oliver lucas leo max hugo oscar felix simon martin karl lars erik anders stefan marco luca pierre jean
mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty sandra margaret ashley kimberly emily
donna michelle carol amanda melissa deborah stephanie rebecca sharon laura cynthia dorothy amy kathleen angela shirley emma brenda
pamela nicole anna samantha katherine christine helen debra rachel carolyn janet maria catherine heather diane olivia julie joyce
victoria ruth virginia lauren kelly christina joan evelyn judith andrea hannah megan cheryl jacqueline martha madison teresa gloria
sara janice ann kathryn abigail sophia frances jean alice judy isabella julia grace amber denise danielle marilyn beverly charlotte
natalie theresa diana brittany doris kayla alexis lori marie sofia mia chloe zoe ella lily lucy claire ingrid astrid elena olga
mohammed muhammad ahmed ali omar hassan fatima aisha priya raj amit sanjay deepak anita wei ming hiroshi kenji yuki minjun jiwoo
"""
_ENGLISH_FAMILY = """
smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson anderson thomas taylor
moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis robinson walker young allen king wright scott
torres nguyen hill flores green adams nelson baker hall rivera campbell mitchell carter roberts gomez phillips evans turner diaz
parker cruz edwards collins reyes stewart morris morales murphy cook rogers gutierrez ortiz morgan cooper peterson bailey reed kelly
howard ramos kim cox ward richardson watson brooks chavez wood james bennett gray mendoza ruiz hughes price alvarez castillo sanders
patel myers long ross foster jimenez powell jenkins perry russell sullivan bell coleman butler henderson barnes fisher vasquez
simmons graham murray ford castro marshall owens harrison fernandez mcdonald woods washington kennedy wells vargas henry chen
freeman webb tucker guzman burns crawford olson simpson porter hunter gordon mendez silva shaw snyder mason dixon munoz hunt hicks
holmes palmer wagner black robertson boyd rose stone salazar fox warren mills meyer rice schmidt garza daniels ferguson nichols
stephens soto weaver ryan gardner payne grant dunn kelley spencer hawkins arnold pierce hansen larsen olsen jensen nilsson muller
schneider fischer weber becker hoffmann rossi ferrari bianchi dubois moreau laurent singh kumar sharma khan wang li zhang liu park
"""
KOREAN_FAMILY = frozenset(
    "김이박최정강조윤장임한오서신권황안송류유홍전고문손양배백허남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국"
)
CHINESE_FAMILY = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦傅方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)  # fmt: skip
_PLACES = """
afghanistan albania algeria argentina australia austria bangladesh belgium brazil britain bulgaria cambodia canada chile china
colombia croatia cuba denmark egypt england estonia ethiopia finland france germany ghana greece hungary iceland india indonesia
iran iraq ireland israel italy jamaica japan jordan kenya korea kuwait laos latvia lebanon libya lithuania malaysia mexico mongolia
morocco nepal netherlands nigeria norway oman pakistan panama peru philippines poland portugal qatar romania russia scotland serbia
singapore slovakia slovenia somalia spain sudan sweden switzerland syria taiwan tanzania thailand tunisia turkey uganda ukraine
uruguay venezuela vietnam wales yemen zambia zimbabwe gabon bahamas turkmenistan
amsterdam athens bangkok barcelona beijing berlin boston brussels budapest busan cairo chicago copenhagen dallas delhi denver dubai
dublin edinburgh florence geneva glasgow hamburg helsinki houston istanbul jakarta kiev lisbon liverpool london madrid manchester
manila melbourne miami milan montreal moscow mumbai munich nairobi naples osaka oslo paris philadelphia phoenix portland prague rome
seattle seoul shanghai shenzhen stockholm sydney tokyo toronto vancouver venice vienna warsaw washington zurich
alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois indiana iowa kansas
kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana nebraska nevada ohio oklahoma oregon
pennsylvania tennessee texas utah vermont virginia wisconsin wyoming america europe asia africa york
"""
ENGLISH_GIVEN = frozenset(_ENGLISH_GIVEN.split())
ENGLISH_FAMILY = frozenset(_ENGLISH_FAMILY.split())
ENGLISH_PLACES = frozenset(_PLACES.split())
_ENGLISH_COMPANY = """
ltd inc corp llc plc gmbh co company group bank university college institute school hospital church club team association foundation
systems solutions technologies labs partners holdings industries networks services agency ministry department council committee
"""
ENGLISH_COMPANY = frozenset(_ENGLISH_COMPANY.split())
_ENGLISH_TITLES = "mr mrs ms miss dr prof professor sir madam lord lady captain president king queen saint rev"
ENGLISH_TITLES = frozenset(_ENGLISH_TITLES.split())
KOREAN_GIVEN = frozenset(
    "민서지현수진영준호연우경은성희도윤아혜정태재하원상동선유미나주승용석철숙자순옥광종병기찬훈범규일환빈인화람솔별결율온건국대덕만복봉삼식"
    "언엽완욱웅응의익임창춘택표필학한해향헌협형홍효후휘흥란련례록린림예채세시슬비보배모명라노남길근귀관고강가"
)
CHINESE_GIVEN = frozenset(
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚建国文华志玉春红小海峰宇欣怡佳晨雨轩梓涵英俊鹏飞斌波辉龙琳婷雪梅兰莉倩颖洁慧萍云凤燕琴珍荣"
    "祥福贵德仁义礼智信忠孝诚正光庆安康宁泰兴旺盛昌隆嘉瑞祺浩然博睿哲豪翔坤乾瑜璐瑶琪琦珊珂玲珠宝金银铭鑫锋钧林森柏松桂莲荷菊兰竹若诗思"
    "梦晓晴昊天宏远长鸿雁冰清洁心悦乐笑可爱依妍媛娇妮婉姗妹姝子君成立学东南西北中新亚一凡帆阳曦彤丹青素紫蓝"
)
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
saturday sunday white black red green blue rose god internet web site page book day year week month world life man woman child
"""
ENGLISH_ORDINARY = frozenset(_ENGLISH_ORDINARY.split())
