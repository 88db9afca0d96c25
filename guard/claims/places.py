"""Names of countries, capitals, provinces and large cities in English, Korean and Chinese: one place a line. Our own list.

`_` stands for a blank. What is in one line is the same place; the adjective of a country stands with it.
"""

from __future__ import annotations

from typing import Final

PLACES: Final = """
china chinese 중국 中国 中國
korea south_korea korean south_korean 한국 대한민국 韩国 韓國 南韩
north_korea north_korean dprk 북한 朝鲜
japan japanese 일본 日本
united_states usa u.s. us american america 미국 美国 美國
united_kingdom uk u.k. britain british 영국 英国 英國
england 잉글랜드 英格兰
scotland scottish 스코틀랜드 苏格兰
ireland irish 아일랜드 爱尔兰
france french 프랑스 法国 法國
germany german 독일 德国 德國
italy italian 이탈리아 意大利
spain spanish 스페인 西班牙
portugal portuguese 포르투갈 葡萄牙
netherlands dutch holland 네덜란드 荷兰
belgium belgian 벨기에 比利时
switzerland swiss 스위스 瑞士
austria austrian 오스트리아 奥地利
sweden swedish 스웨덴 瑞典
norway norwegian 노르웨이 挪威
denmark danish 덴마크 丹麦
finland finnish 핀란드 芬兰
iceland icelandic 아이슬란드 冰岛
poland 폴란드 波兰
ukraine ukrainian 우크라이나 乌克兰
russia russian 러시아 俄罗斯 俄国
soviet_union soviet ussr 소련 苏联
greece greek 그리스 希腊
turkey turkish türkiye 튀르키예 터키 土耳其
hungary hungarian 헝가리 匈牙利
romania romanian 루마니아 罗马尼亚
bulgaria bulgarian 불가리아 保加利亚
serbia serbian 세르비아 塞尔维亚
croatia croatian 크로아티아 克罗地亚
czech czechia 체코 捷克
india indian 인도 印度
pakistan pakistani 파키스탄 巴基斯坦
bangladesh 방글라데시 孟加拉国
nepal 네팔 尼泊尔
sri_lanka 스리랑카 斯里兰卡
afghanistan afghan 아프가니스탄 阿富汗
iran iranian 이란 伊朗
iraq iraqi 이라크 伊拉克
israel israeli 이스라엘 以色列
palestine palestinian 팔레스타인 巴勒斯坦
syria syrian 시리아 叙利亚
lebanon lebanese 레바논 黎巴嫩
요르단 约旦
saudi_arabia saudi 사우디아라비아 사우디 沙特 沙特阿拉伯
united_arab_emirates uae 아랍에미리트 阿联酋
qatar 카타르 卡塔尔
kuwait 쿠웨이트 科威特
yemen 예멘 也门
egypt egyptian 이집트 埃及
libya libyan 리비아 利比亚
morocco moroccan 모로코 摩洛哥
algeria algerian 알제리 阿尔及利亚
tunisia 튀니지 突尼斯
sudan 수단 苏丹
ethiopia ethiopian 에티오피아 埃塞俄比亚
kenya kenyan 케냐 肯尼亚
nigeria nigerian 나이지리아 尼日利亚
ghana 가나 加纳
south_africa south_african 남아프리카공화국 남아공 南非
zimbabwe 짐바브웨 津巴布韦
tanzania 탄자니아 坦桑尼亚
uganda 우간다 乌干达
congo 콩고 刚果
canada canadian 캐나다 加拿大
mexico mexican 멕시코 墨西哥
cuba cuban 쿠바 古巴
brazil brazilian 브라질 巴西
argentina argentine 아르헨티나 阿根廷
chile chilean 칠레 智利
peru peruvian 페루 秘鲁
colombia colombian 콜롬비아 哥伦比亚
venezuela venezuelan 베네수엘라 委内瑞拉
australia australian 호주 오스트레일리아 澳大利亚 澳洲
new_zealand 뉴질랜드 新西兰
indonesia indonesian 인도네시아 印度尼西亚 印尼
malaysia malaysian 말레이시아 马来西亚
singapore 싱가포르 新加坡
thailand thai 태국 泰国
vietnam vietnamese 베트남 越南
philippines philippine filipino 필리핀 菲律宾
myanmar burma 미얀마 缅甸
cambodia 캄보디아 柬埔寨
laos 라오스 老挝
mongolia mongolian 몽골 蒙古
taiwan taiwanese 대만 타이완 台湾 臺灣
hong_kong 홍콩 香港
macau macao 마카오 澳门
kazakhstan 카자흐스탄 哈萨克斯坦
europe european 유럽 欧洲
asia asian 아시아 亚洲
africa african 아프리카 非洲
antarctica antarctic 남극 南极
north_america 북아메리카 북미 北美 北美洲
south_america 남아메리카 남미 南美 南美洲
atlantic 대서양 大西洋
pacific 태평양 太平洋
indian_ocean 인도양 印度洋
arctic 북극 北极
mediterranean 지중해 地中海
seoul 서울 서울시 首尔
busan 부산 부산시 釜山
incheon 인천 인천시 仁川
daegu 대구 대구시 大邱
daejeon 대전 대전시 大田
gwangju 광주 광주시 光州
ulsan 울산 울산시 蔚山
sejong 세종시 세종 世宗
gyeonggi 경기도 京畿道
gangwon 강원도 강원 江原道
chungcheong 충청도 충북 충남 충청북도 충청남도
jeolla 전라도 전북 전남 전라북도 전라남도
gyeongsang 경상도 경북 경남 경상북도 경상남도
jeju 제주 제주도 济州岛 济州
suwon 수원 수원시 水原
seongnam 성남 성남시
changwon 창원 창원시
jeonju 전주 전주시
cheongju 청주 청주시
pohang 포항 포항시
gyeongju 경주 경주시 庆州
pyongyang 평양 平壤
dokdo 독도 独岛
beijing peking 베이징 북경 北京 北京市
shanghai 상하이 상해 上海 上海市
tianjin 톈진 天津
chongqing 충칭 重庆
guangzhou 광저우 广州
shenzhen 선전시 深圳
wuhan 우한 武汉
nanjing 난징 南京
hangzhou 항저우 杭州
suzhou 쑤저우 苏州
chengdu 청두 成都
시안 西安
shenyang 선양 沈阳
dalian 다롄 大连
qingdao 칭다오 青岛
harbin 하얼빈 哈尔滨
changsha 长沙
zhengzhou 郑州
jinan 济南
kunming 昆明
xiamen 厦门
fuzhou 福州
lhasa 拉萨
urumqi 乌鲁木齐
guangdong 광둥성 广东 广东省
guangxi 广西
sichuan 쓰촨성 四川 四川省
zhejiang 저장성 浙江 浙江省
jiangsu 장쑤성 江苏 江苏省
shandong 산둥성 山东 山东省
henan 허난성 河南 河南省
hebei 허베이성 河北 河北省
hunan 후난성 湖南 湖南省
hubei 후베이성 湖北 湖北省
fujian 푸젠성 福建 福建省
yunnan 윈난성 云南 云南省
guizhou 贵州
hainan 海南 海南岛
xinjiang 신장 新疆
tibet tibetan 티베트 西藏
inner_mongolia 内蒙古
anhui 安徽
jiangxi 江西
shanxi 山西
shaanxi 陕西
gansu 甘肃
liaoning 辽宁
jilin 吉林
heilongjiang 黑龙江
taipei 타이베이 台北
kaohsiung 高雄
tokyo 도쿄 동경 东京 東京
osaka 오사카 大阪
kyoto 교토 京都
nagoya 나고야 名古屋
hiroshima 히로시마 广岛
fukuoka 후쿠오카 福冈
hokkaido 홋카이도 北海道
okinawa 오키나와 冲绳
new_york 뉴욕 纽约
washington 워싱턴 华盛顿
los_angeles 로스앤젤레스 洛杉矶
chicago 시카고 芝加哥
san_francisco 샌프란시스코 旧金山
boston 보스턴 波士顿
houston 휴스턴 休斯敦
philadelphia 필라델피아 费城
detroit 底特律 디트로이트
miami 마이애미 迈阿密
seattle 시애틀 西雅图
denver 덴버 丹佛
dallas 댈러스 达拉斯
atlanta 애틀랜타 亚特兰大
las_vegas 라스베이거스 拉斯维加斯
california 캘리포니아 加利福尼亚 加州
texas 텍사스 得克萨斯 德州
florida 플로리다 佛罗里达
hawaii 하와이 夏威夷
alaska 알래스카 阿拉斯加
ohio 오하이오 俄亥俄
virginia 버지니아 弗吉尼亚
toronto 토론토 多伦多
vancouver 밴쿠버 温哥华
montreal 몬트리올 蒙特利尔
ottawa 오타와 渥太华
london 런던 伦敦 倫敦
manchester 맨체스터 曼彻斯特
liverpool 리버풀 利物浦
edinburgh 에든버러 爱丁堡
dublin 더블린 都柏林
paris 파리 巴黎
lyon 리옹 里昂
marseille 마르세유 马赛
berlin 베를린 柏林
munich 뮌헨 慕尼黑
hamburg 함부르크 汉堡
frankfurt 프랑크푸르트 法兰克福
rome 로마 罗马
milan 밀라노 米兰
venice 베네치아 威尼斯
피렌체 佛罗伦萨
naples 나폴리 那不勒斯
madrid 마드리드 马德里
barcelona 바르셀로나 巴塞罗那
lisbon 리스본 里斯本
amsterdam 암스테르담 阿姆斯特丹
brussels 브뤼셀 布鲁塞尔
vienna 비엔나 维也纳
zurich 취리히 苏黎世
geneva 제네바 日内瓦
stockholm 스톡홀름 斯德哥尔摩
oslo 오슬로 奥斯陆
copenhagen 코펜하겐 哥本哈根
helsinki 헬싱키 赫尔辛基
warsaw 바르샤바 华沙
prague 프라하 布拉格
budapest 부다페스트 布达佩斯
athens 아테네 雅典
istanbul 이스탄불 伊斯坦布尔
ankara 앙카라 安卡拉
moscow 모스크바 莫斯科
saint_petersburg st._petersburg 상트페테르부르크 圣彼得堡
kyiv kiev 키이우 키예프 基辅
delhi new_delhi 델리 뉴델리 德里 新德里
mumbai bombay 뭄바이 孟买
kolkata calcutta 콜카타 加尔各答
bangkok 방콕 曼谷
hanoi 하노이 河内
jakarta 자카르타 雅加达
manila 마닐라 马尼拉
kuala_lumpur 쿠알라룸푸르 吉隆坡
sydney 시드니 悉尼
melbourne 멜버른 墨尔本
canberra 캔버라 堪培拉
auckland 오클랜드 奥克兰
cairo 카이로 开罗
nairobi 나이로비 内罗毕
cape_town 케이프타운 开普敦
johannesburg 요하네스버그 约翰内斯堡
lagos 라고스 拉各斯
jerusalem 예루살렘 耶路撒冷
tel_aviv 텔아비브 特拉维夫
dubai 두바이 迪拜
tehran 테헤란 德黑兰
baghdad 바그다드 巴格达
riyadh 리야드 利雅得
buenos_aires 부에노스아이레스 布宜诺斯艾利斯
rio_de_janeiro 리우데자네이루 里约热内卢
sao_paulo são_paulo 상파울루 圣保罗
리마 利马
bogota 보고타 波哥大
havana 아바나 哈瓦那
mexico_city 멕시코시티 墨西哥城
"""
