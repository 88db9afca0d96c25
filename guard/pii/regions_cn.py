"""Chinese province codes (GB/T 2260) and the names that an address begins with."""

_PROVINCE_CODES = """
11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83
"""
PROVINCE_CODES = frozenset(_PROVINCE_CODES.split())

_PROVINCES = """
北京 天津 上海 重庆 河北 山西 内蒙古 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南
广东 广西 海南 四川 贵州 云南 西藏 陕西 甘肃 青海 宁夏 新疆 香港 澳门 台湾
"""
PROVINCES = tuple(_PROVINCES.split())

_CITIES = """
广州 深圳 珠海 佛山 东莞 中山 惠州 汕头 江门 湛江 南京 苏州 无锡 常州 南通 扬州 徐州 镇江 杭州
宁波 温州 嘉兴 绍兴 金华 台州 湖州 合肥 芜湖 福州 厦门 泉州 漳州 南昌 九江 赣州 济南 青岛 烟台
潍坊 临沂 淄博 威海 郑州 洛阳 开封 新乡 武汉 宜昌 襄阳 长沙 株洲 湘潭 岳阳 衡阳 南宁 桂林 柳州
海口 三亚 成都 绵阳 德阳 南充 贵阳 遵义 昆明 大理 丽江 拉萨 西安 咸阳 宝鸡 兰州 西宁 银川 乌鲁木齐
石家庄 唐山 保定 邯郸 太原 大同 呼和浩特 包头 沈阳 大连 鞍山 长春 哈尔滨 大庆 齐齐哈尔
"""
CITIES = tuple(_CITIES.split())
